#include "runtime/compile_child.h"
#include "base/assert.h"
#include "base/log.h"
#include "base/os.h"
#include "runtime/vm.h"
#include "runtime/wasm_instr.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

enum { FD_IN = 0, FD_OUT = 3, CPU_S = 30, WALL_MS = 60000, EXIT_INPUT = 10, EXIT_SANDBOX = 11, EXIT_ENGINE = 12, EXIT_COMPILE = 13, EXIT_OUTPUT = 14 };
#define CHILD_AS_MAX ( (rlim_t)1<<30 )

extern char ** environ;

/* ---- The child ---- */

#if defined(__x86_64__)
#define ARCH_NR AUDIT_ARCH_X86_64
#elif defined(__aarch64__)
#define ARCH_NR AUDIT_ARCH_AARCH64
#endif

/* Memory, threads of the compiler, the two descriptors it has, its end.  Opening, connecting, executing are not there.
   Anything else kills the process: the parent sees a failed child. */
static int const allowed[] = {
  SYS_read, SYS_write, SYS_close, SYS_lseek, SYS_fstat, SYS_mmap, SYS_munmap, SYS_mremap, SYS_mprotect, SYS_madvise, SYS_brk, SYS_futex, SYS_exit, SYS_exit_group,
  SYS_rt_sigaction, SYS_rt_sigprocmask, SYS_rt_sigreturn, SYS_sigaltstack, SYS_clock_gettime, SYS_getrandom, SYS_sched_yield, SYS_sched_getaffinity, SYS_clone, SYS_clone3,
  SYS_set_robust_list, SYS_rseq, SYS_prctl, SYS_gettid, SYS_getpid, SYS_tgkill, SYS_ftruncate, SYS_nanosleep, SYS_clock_nanosleep, SYS_restart_syscall, SYS_membarrier, SYS_prlimit64, SYS_sysinfo };

static bool sandbox( void ) {
  if( DMG_SANITIZED ) return true;
  struct rlimit cpu = { CPU_S, CPU_S }, as = { CHILD_AS_MAX, CHILD_AS_MAX }, none = { 0, 0 };
  if( setrlimit( RLIMIT_CPU, &cpu ) || setrlimit( RLIMIT_AS, &as ) || setrlimit( RLIMIT_CORE, &none ) ) return false;
  if( prctl( PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0 ) ) return false;
  enum { N = sizeof allowed/sizeof *allowed };
  struct sock_filter f[ N+6 ];
  size_t n = 0;
  f[ n++ ] = (struct sock_filter)BPF_STMT( BPF_LD|BPF_W|BPF_ABS, offsetof( struct seccomp_data, arch ) );
  f[ n++ ] = (struct sock_filter)BPF_JUMP( BPF_JMP|BPF_JEQ|BPF_K, ARCH_NR, 1, 0 );
  f[ n++ ] = (struct sock_filter)BPF_STMT( BPF_RET|BPF_K, SECCOMP_RET_KILL_PROCESS );
  f[ n++ ] = (struct sock_filter)BPF_STMT( BPF_LD|BPF_W|BPF_ABS, offsetof( struct seccomp_data, nr ) );
  for( size_t i = 0; i<N; i++ ) f[ n++ ] = (struct sock_filter)BPF_JUMP( BPF_JMP|BPF_JEQ|BPF_K, (uint32_t)allowed[ i ], (uint8_t)( N-i ), 0 );
  f[ n++ ] = (struct sock_filter)BPF_STMT( BPF_RET|BPF_K, SECCOMP_RET_KILL_PROCESS );
  f[ n++ ] = (struct sock_filter)BPF_STMT( BPF_RET|BPF_K, SECCOMP_RET_ALLOW );
  struct sock_fprog prog = { .len = (unsigned short)n, .filter = f };
  return !prctl( PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &prog );
}

int dmg_compile_child_main( int argc, char ** argv ) {
  dmg_buf_t in = dmg_buf( DMG_WASM_INSTR_SZ_MAX ), out = dmg_buf( DMG_VM_ARTIFACT_SZ_MAX );
  dmg_vm_t * vm;
  for(;;) {
    uint8_t chunk[ 16384 ];
    ssize_t n = read( FD_IN, chunk, sizeof chunk );
    if( n<0 && errno==EINTR ) continue;
    if( !n ) break;
    if( n<0 || dmg_buf_append( &in, chunk, (size_t)n ) ) return EXIT_INPUT;
  }
  /* The engine looks at the processor's features first; the code it will read comes after the sandbox. */
  if( dmg_vm_open( NULL, &vm ) ) return EXIT_ENGINE;
  if( !sandbox() ) return EXIT_SANDBOX;
  if( dmg_vm_compile( vm, dmg_buf_span( &in ), &out ) ) return EXIT_COMPILE;
  if( dmg_os_write_all( FD_OUT, out.p, out.sz ) ) return EXIT_OUTPUT;
  /* Without destructors of the engine: its threads may still be winding down. */
  _exit( 0 );
}

/* ---- The parent ---- */

static pthread_mutex_t one_at_a_time = PTHREAD_MUTEX_INITIALIZER;

/* Writes all to the child unless it stops reading; the pipe has 64 KiB, so the child must read meanwhile. */
static void feed( int fd, dmg_span_t bytes, uint64_t end_ns ) {
  while( bytes.sz ) {
    struct pollfd p = { .fd = fd, .events = POLLOUT };
    uint64_t now = dmg_os_mono_ns();
    if( now>=end_ns || poll( &p, 1, (int)( ( end_ns-now )/1000000u )+1 )<0 ) break;
    if( p.revents&( POLLERR|POLLHUP ) ) break;
    ssize_t n = write( fd, bytes.p, bytes.sz );
    if( n<0 && ( errno==EAGAIN || errno==EINTR ) ) continue;
    if( n<=0 ) break;
    bytes.p  += n;
    bytes.sz -= (size_t)n;
  }
}

/* 0 and *out_status; -1: late, and killed. */
static int await( pid_t pid, uint64_t end_ns, int * out_status ) {
  uint64_t pause_ns = 200000;
  for(;;) {
    pid_t got = waitpid( pid, out_status, WNOHANG );
    if( got==pid ) return 0;
    if( got<0 && errno!=EINTR ) return -1;
    if( dmg_os_mono_ns()>=end_ns ) break;
    dmg_os_sleep_ns( pause_ns );
    if( pause_ns<5000000 ) pause_ns *= 2;
  }
  kill( pid, SIGKILL );
  while( waitpid( pid, out_status, 0 )<0 && errno==EINTR ) {}
  return -1;
}

static dmg_err_t read_memfd( int fd, dmg_buf_t * out ) {
  off_t sz = lseek( fd, 0, SEEK_END );
  uint8_t * to;
  size_t got;
  if( sz<=0 ) return DMG_ERR_UNAVAILABLE;
  size_t before = out->sz;
  DMG_TRY( dmg_buf_grow( out, (size_t)sz, &to ) );
  dmg_err_t err = dmg_os_pread( fd, to, (size_t)sz, 0, &got );
  if( !err && got!=(size_t)sz ) err = DMG_ERR_IO;
  if( err ) out->sz = before;
  return err;
}

static dmg_err_t run_child( dmg_span_t instrumented, int pipe_fd[ 2 ], int memfd, dmg_buf_t * out ) {
  char self[ 4096 ];
  ssize_t n = readlink( "/proc/self/exe", self, sizeof self-1 );
  if( n<=0 ) return DMG_ERR_IO;
  self[ n ] = 0;
  posix_spawn_file_actions_t actions;
  posix_spawnattr_t attr;
  sigset_t none;
  pid_t pid;
  char * argv[] = { self, (char *)DMG_COMPILE_CHILD_VERB, NULL };
  sigemptyset( &none );
  posix_spawn_file_actions_init( &actions );
  posix_spawnattr_init( &attr );
  posix_spawn_file_actions_adddup2( &actions, pipe_fd[ 0 ], FD_IN );
  posix_spawn_file_actions_adddup2( &actions, memfd, FD_OUT );
  posix_spawnattr_setsigmask( &attr, &none );
  posix_spawnattr_setflags( &attr, POSIX_SPAWN_SETSIGMASK );
  int rc = posix_spawn( &pid, self, &actions, &attr, argv, environ );
  posix_spawn_file_actions_destroy( &actions );
  posix_spawnattr_destroy( &attr );
  close( pipe_fd[ 0 ] );
  pipe_fd[ 0 ] = -1;
  if( rc ) { DMG_LOG_ERROR( "compile_failed", "the compiler does not start: %s", strerror( rc ) ); return DMG_ERR_UNAVAILABLE; }
  struct sched_param idle = { 0 };
  (void)!sched_setscheduler( pid, SCHED_IDLE, &idle );   /* a wish: where it is refused, the compiler just has normal priority */

  uint64_t end_ns = dmg_os_mono_ns()+(uint64_t)WALL_MS*1000000u;
  feed( pipe_fd[ 1 ], instrumented, end_ns );
  close( pipe_fd[ 1 ] );
  pipe_fd[ 1 ] = -1;
  int status = 0;
  if( await( pid, end_ns, &status ) ) { DMG_LOG_ERROR( "compile_failed", "the compiler took longer than %d s", WALL_MS/1000 ); return DMG_ERR_UNAVAILABLE; }
  if( WIFSIGNALED( status ) ) { DMG_LOG_ERROR( "compile_failed", "the compiler was ended by signal %d", WTERMSIG( status ) ); return DMG_ERR_UNAVAILABLE; }
  if( WEXITSTATUS( status ) )  { DMG_LOG_ERROR( "compile_failed", "the compiler ended with code %d", WEXITSTATUS( status ) ); return DMG_ERR_UNAVAILABLE; }
  return read_memfd( memfd, out );
}

dmg_err_t dmg_compile_in_child( dmg_span_t instrumented, dmg_buf_t * out_artifact ) {
  int pipe_fd[ 2 ] = { -1, -1 };
  DMG_ASSERT( instrumented.sz<=DMG_WASM_INSTR_SZ_MAX );
  pthread_mutex_lock( &one_at_a_time );
  /* dup2 onto 0 and 3 clears close-on-exec there; everything else of ours stays out of the child.  A memfd that is 3 already
     would keep the flag, so it is moved away first. */
  int memfd = memfd_create( "dmg-artifact", MFD_CLOEXEC );
  if( memfd==FD_OUT ) { int moved = fcntl( memfd, F_DUPFD_CLOEXEC, FD_OUT+1 ); close( memfd ); memfd = moved; }
  dmg_err_t err = memfd<0 || pipe2( pipe_fd, O_CLOEXEC ) ? DMG_ERR_IO : DMG_OK;
  if( !err && pipe_fd[ 0 ]==FD_OUT ) { int moved = fcntl( pipe_fd[ 0 ], F_DUPFD_CLOEXEC, FD_OUT+1 ); close( pipe_fd[ 0 ] ); pipe_fd[ 0 ] = moved; }
  if( !err ) fcntl( pipe_fd[ 1 ], F_SETFL, O_NONBLOCK );
  if( !err ) err = run_child( instrumented, pipe_fd, memfd, out_artifact );
  for( int i = 0; i<2; i++ ) if( pipe_fd[ i ]>=0 ) close( pipe_fd[ i ] );
  if( memfd>=0 ) close( memfd );
  pthread_mutex_unlock( &one_at_a_time );
  return err;
}
