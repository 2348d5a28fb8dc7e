// SPDX-License-Identifier: Apache-2.0
// Added to what is loaded into User-mode Linux: its timer goes off once more whenever it is
// stopped, the last time when its system has halted already.
#include <csignal>
#include <ctime>

#include <dlfcn.h>

// The C library's header declares it with attributes that differ between versions.
extern "C" int timer_settime(timer_t timer, int flags, const itimerspec* value, itimerspec* old) {
    using Settime = int (*)(timer_t, int, const itimerspec*, itimerspec*);
    auto real = reinterpret_cast<Settime>(::dlsym(RTLD_NEXT, "timer_settime"));
    if (value->it_value.tv_sec == 0 && value->it_value.tv_nsec == 0)
        ::raise(SIGALRM);
    return real(timer, flags, value, old);
}
