// SPDX-License-Identifier: BSD-3-Clause
// Included last by packet-path .c files: malloc, printf and friends do not compile after it
#pragma once

#pragma GCC poison malloc calloc realloc free aligned_alloc posix_memalign
#pragma GCC poison printf fprintf sprintf strcpy strcat strtok
#pragma GCC poison gettimeofday clock_gettime time sleep usleep nanosleep
