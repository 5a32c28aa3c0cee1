/* SPDX-License-Identifier: Apache-2.0 */
/* Set-user-id root in its image: says who it is, which depends on no_new_privs. */
#include <stdio.h>
#include <unistd.h>

int main(void)
{
	return printf("Effective uid: %u\n", (unsigned)geteuid()) < 0;
}
