dnl SPDX-License-Identifier: Apache-2.0
dnl HUSK_TRY_CFLAGS(VAR, FLAGS) and HUSK_TRY_LDFLAGS(VAR, FLAGS)
dnl Append to VAR each of FLAGS that the compiler (or linker) takes without complaint.
AC_DEFUN([HUSK_TRY_CFLAGS], [
  husk_saved=$CFLAGS
  for husk_flag in m4_normalize([$2]); do
    AC_MSG_CHECKING([whether $CC takes $husk_flag])
    CFLAGS="$husk_saved -Werror $husk_flag"
    AC_COMPILE_IFELSE([AC_LANG_PROGRAM([], [])],
      [$1="$[]$1 $husk_flag"; AC_MSG_RESULT([yes])], [AC_MSG_RESULT([no])])
  done
  CFLAGS=$husk_saved
])

AC_DEFUN([HUSK_TRY_LDFLAGS], [
  husk_saved=$LDFLAGS
  for husk_flag in m4_normalize([$2]); do
    AC_MSG_CHECKING([whether the linker takes $husk_flag])
    LDFLAGS="$husk_saved $husk_flag"
    AC_LINK_IFELSE([AC_LANG_PROGRAM([], [])],
      [$1="$[]$1 $husk_flag"; AC_MSG_RESULT([yes])], [AC_MSG_RESULT([no])])
  done
  LDFLAGS=$husk_saved
])
