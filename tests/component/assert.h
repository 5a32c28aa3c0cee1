/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HUSK_TESTS_ASSERT_H
#define HUSK_TESTS_ASSERT_H

/* cmocka wants these before itself. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#endif
