//! A list of system calls → a filter that refuses every other, with an error that the caller sees.
//! <https://docs.kernel.org/userspace-api/seccomp_filter.html>. Calls are named as 64-bit processors have them.

use seccompiler::SeccompAction::{Allow, Errno};
use seccompiler::SeccompCmpArgLen::{Dword, Qword};
use seccompiler::SeccompCmpOp::{Eq, MaskedEq, Ne};
use seccompiler::{SeccompCondition, SeccompFilter, SeccompRule, TargetArch, apply_filter_all_threads};
use std::collections::BTreeMap;

/// The system calls that remain, for every thread. `has_hardware`: device files may be opened for writing.
pub(super) fn install(has_hardware: bool) -> Result<(), String> {
    let arch = TargetArch::try_from(std::env::consts::ARCH)
        .map_err(|_| format!("not for processors of this kind ({})", std::env::consts::ARCH))?;
    let calls = calls(has_hardware).map_err(|e| e.to_string())?;
    let refuse = |errno: i32| Errno(errno as u32);
    let install = |calls, otherwise, listed| {
        let filter = SeccompFilter::new(calls, otherwise, listed, arch).map_err(|e| e.to_string())?;
        let program: seccompiler::BpfProgram =
            filter.try_into().map_err(|e: seccompiler::BackendError| e.to_string())?;
        apply_filter_all_threads(&program).map_err(|e| e.to_string())
    };
    // clone3 has its flags in memory, where a filter can't look; told that there is none, the C library takes clone.
    install(BTreeMap::from([(libc::SYS_clone3, vec![])]), Allow, refuse(libc::ENOSYS))?;
    install(calls, refuse(libc::EPERM), Allow)
}

type Calls = BTreeMap<i64, Vec<SeccompRule>>;

fn calls(has_hardware: bool) -> Result<Calls, seccompiler::BackendError> {
    let mut calls: Calls = FREE.iter().map(|&call| (call, Vec::new())).collect();
    let when = |argument, len, op, value| SeccompCondition::new(argument, len, op, value);
    let one = |condition| SeccompRule::new(vec![condition?]);
    // Reading; and both ways, never creating or shortening, when there is hardware that wants to be talked to.
    let opening = |flags: u8| -> Result<Vec<SeccompRule>, seccompiler::BackendError> {
        const MAKES: i32 =
            libc::O_CREAT | libc::O_TRUNC | libc::O_APPEND | (libc::O_TMPFILE & !libc::O_DIRECTORY);
        let modes = [libc::O_RDONLY, libc::O_RDWR];
        let wanted = modes.iter().take(if has_hardware { 2 } else { 1 });
        wanted
            .map(|&mode| one(when(flags, Dword, MaskedEq((MAKES | libc::O_ACCMODE) as u64), mode as u64)))
            .collect()
    };
    calls.insert(libc::SYS_openat, opening(2)?);
    #[cfg(target_arch = "x86_64")]
    calls.insert(libc::SYS_open, opening(1)?);
    // Threads, not processes.
    let thread = libc::CLONE_THREAD as u64;
    calls.insert(libc::SYS_clone, vec![one(when(0, Qword, MaskedEq(thread), thread))?]);
    // To end itself, not others.
    calls.insert(libc::SYS_tgkill, vec![one(when(0, Dword, Eq, u64::from(std::process::id())))?]);
    // On the socket that is there: a send that names no other address.
    calls.insert(libc::SYS_sendto, vec![one(when(4, Qword, Eq, 0))?]);
    // GStreamer wakes its threads through a pair of sockets; such a pair leads nowhere else.
    calls.insert(libc::SYS_socketpair, vec![one(when(0, Dword, Eq, libc::AF_UNIX as u64))?]);
    // Asking for limits, not changing them.
    calls.insert(libc::SYS_prlimit64, vec![one(when(2, Qword, Eq, 0))?]);
    // Typing into somebody's terminal.
    calls.insert(libc::SYS_ioctl, vec![one(when(1, Dword, Ne, libc::TIOCSTI))?]);
    let prctl = [libc::PR_SET_NAME, libc::PR_GET_NAME, libc::PR_SET_VMA];
    let prctl = prctl.iter().map(|&option| one(when(0, Dword, Eq, option as u64)));
    calls.insert(libc::SYS_prctl, prctl.collect::<Result<_, _>>()?);
    Ok(calls)
}

/// Calls without conditions: memory, threads, waiting, clocks, reading, and the files that are open already.
#[rustfmt::skip]
const FREE: &[i64] = &[
    libc::SYS_brk, libc::SYS_mmap, libc::SYS_munmap, libc::SYS_mprotect, libc::SYS_mremap, libc::SYS_madvise,
    libc::SYS_mlock, libc::SYS_munlock, libc::SYS_membarrier, libc::SYS_memfd_create, libc::SYS_ftruncate,
    libc::SYS_clone3, libc::SYS_futex, libc::SYS_set_robust_list, libc::SYS_get_robust_list, libc::SYS_rseq,
    libc::SYS_set_tid_address, libc::SYS_exit, libc::SYS_exit_group, libc::SYS_restart_syscall,
    libc::SYS_rt_sigaction, libc::SYS_rt_sigprocmask, libc::SYS_rt_sigreturn, libc::SYS_sigaltstack,
    libc::SYS_gettid, libc::SYS_getpid, libc::SYS_getppid, libc::SYS_getuid, libc::SYS_geteuid,
    libc::SYS_getgid, libc::SYS_getegid, libc::SYS_getpriority, libc::SYS_getcpu, libc::SYS_getrusage,
    libc::SYS_sched_yield, libc::SYS_sched_getaffinity, libc::SYS_sched_setaffinity, libc::SYS_sched_getparam,
    libc::SYS_sched_getscheduler, libc::SYS_sched_getattr, libc::SYS_sched_setattr, libc::SYS_sysinfo,
    libc::SYS_sched_get_priority_min, libc::SYS_sched_get_priority_max, libc::SYS_uname, libc::SYS_getrandom,
    libc::SYS_clock_gettime, libc::SYS_clock_getres, libc::SYS_clock_nanosleep, libc::SYS_nanosleep,
    libc::SYS_gettimeofday, libc::SYS_timerfd_create, libc::SYS_timerfd_settime, libc::SYS_timerfd_gettime,
    libc::SYS_eventfd2, libc::SYS_epoll_create1, libc::SYS_epoll_ctl, libc::SYS_epoll_pwait, libc::SYS_ppoll,
    libc::SYS_pselect6, libc::SYS_pipe2, libc::SYS_dup, libc::SYS_dup3, libc::SYS_fcntl, libc::SYS_flock,
    libc::SYS_read, libc::SYS_readv, libc::SYS_pread64, libc::SYS_preadv, libc::SYS_write, libc::SYS_writev,
    libc::SYS_pwrite64, libc::SYS_lseek, libc::SYS_close, libc::SYS_close_range, libc::SYS_fadvise64,
    libc::SYS_fstat, libc::SYS_newfstatat, libc::SYS_statx, libc::SYS_statfs, libc::SYS_fstatfs,
    libc::SYS_faccessat, libc::SYS_faccessat2, libc::SYS_readlinkat, libc::SYS_getdents64, libc::SYS_getcwd,
    libc::SYS_recvfrom, libc::SYS_shutdown, libc::SYS_getsockname, libc::SYS_getpeername,
    libc::SYS_getsockopt, libc::SYS_setsockopt,
    #[cfg(target_arch = "x86_64")] libc::SYS_arch_prctl,
    #[cfg(target_arch = "x86_64")] libc::SYS_stat,
    #[cfg(target_arch = "x86_64")] libc::SYS_lstat,
    #[cfg(target_arch = "x86_64")] libc::SYS_access,
    #[cfg(target_arch = "x86_64")] libc::SYS_readlink,
    #[cfg(target_arch = "x86_64")] libc::SYS_poll,
    #[cfg(target_arch = "x86_64")] libc::SYS_select,
    #[cfg(target_arch = "x86_64")] libc::SYS_epoll_wait,
    #[cfg(target_arch = "x86_64")] libc::SYS_pipe,
    #[cfg(target_arch = "x86_64")] libc::SYS_dup2,
    #[cfg(target_arch = "x86_64")] libc::SYS_time,
];
