/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HUSK_ASYNC_WORK_H
#define HUSK_ASYNC_WORK_H

#define WORK_THREADS 4 /* libuv's pool, unless UV_THREADPOOL_SIZE is in the environment */

/*
 * Run `fn` on libuv's worker pool and wait for it: for system calls that really block (mount,
 * unmount, device-mapper, getpwnam, large copies, looking at files that may be far away). Outside of a
 * fiber it runs at once. fn runs on another thread: it may touch only `arg` and functions without state
 * (the log is not among them), never fibers. It cannot be cancelled and has no deadline: calls that can
 * hang for good must leave threads for others.
 */
void work_run(void (*fn)(void *arg), void *arg);

#endif
