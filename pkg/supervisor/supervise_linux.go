// SPDX-License-Identifier: MPL-2.0

package supervisor

import (
	"errors"
	"fmt"
	"runtime"
	"sync/atomic"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/carosio/carosbuild/pkg/owner/record"
	"github.com/carosio/carosbuild/pkg/sandbox"
	"github.com/carosio/carosbuild/pkg/supervisor/creds"
	"github.com/carosio/carosbuild/pkg/supervisor/decode"
	"github.com/carosio/carosbuild/pkg/supervisor/filter"
)

// supervisor answers the calls of one step.
type supervisor struct {
	listener   listener
	table      *record.Table
	carrier    *creds.Carrier
	noNewPrivs bool                             // of this process: a step's setuid programs count nevertheless
	names      map[filter.Arch]map[int32]string // calls that the filter passes on
	chrooted   atomic.Bool                      // some process has changed its root
}

func newSupervisor(l listener, t *record.Table, first creds.Creds) (*supervisor, error) {
	archs, err := ownArchs()
	if err != nil {
		return nil, err
	}
	s := &supervisor{listener: l, table: t, carrier: creds.NewCarrier(first), names: map[filter.Arch]map[int32]string{}}
	for _, a := range archs {
		s.names[a] = map[int32]string{}
		table := filter.Tables()[a]
		for _, name := range filter.Notified() {
			if nr, ok := table[name]; ok {
				s.names[a][int32(nr)] = name
			}
		}
	}
	return s, nil
}

// answer is the outcome of a call.
type answer struct {
	value    int64
	errno    syscall.Errno
	proceed  bool // the kernel does it
	answered bool // the answer was sent already
}

// The plain answers. A value of 0 is success.
var (
	proceed = answer{proceed: true}
	success = answer{}
)

func fails(err error) answer { return answer{errno: errnoOf(err)} }

// call is a system call that waits for its answer.
type call struct {
	decode.Call
	sup    *supervisor
	n      *notification
	thread thread
	limit  uint64
	left   creds.Image // the previous program of a process that may be executing another
	depth  int         // links that have been followed
	creds  creds.Creds // after identify
}

// identify finds the credentials of the caller. A caller that has executed a program gets that
// program's credentials now, since no earlier call of it depended on them.
func (c *call) identify() error {
	for {
		limit, err := c.thread.limit()
		if err != nil {
			return unix.ESRCH
		}
		var ok bool
		if c.creds, c.left, ok = c.sup.carrier.Of(limit); !ok {
			return unix.EPERM // it has changed the limit itself
		}
		c.limit = limit
		if c.left == (creds.Image{}) {
			return nil
		}
		now, err := c.thread.image()
		if err != nil || now == c.left { // not executed, or not yet
			return err
		}
		// Another thread may just have done the same, or more.
		if err = c.executed(); err != unix.EPERM {
			return err
		}
	}
}

// become gives the calling process new credentials.
func (c *call) become(next creds.Creds) error {
	if next == c.creds {
		return nil
	}
	return c.carry(c.sup.carrier.Index(c.limit, next))
}

// carry gives the calling process another index.
func (c *call) carry(index uint64) error {
	if !c.sup.listener.valid(c.n.ID) {
		return unix.ESRCH
	}
	return c.thread.setLimit(index)
}

// handlers answer calls. They get the caller's credentials, except for the stat calls, which
// only look at files.
var handlers = map[string]func(c *call) answer{
	"chown": (*call).chown, "lchown": (*call).chown, "fchown": (*call).chown, "fchownat": (*call).chown,
	"chmod": (*call).chmod, "fchmod": (*call).chmod, "fchmodat": (*call).chmod, "fchmodat2": (*call).chmod,
	"mknod": (*call).mknod, "mknodat": (*call).mknod, "mkdir": (*call).mkdir, "mkdirat": (*call).mkdir,
	"symlink": (*call).symlink, "symlinkat": (*call).symlink,
	"creat": (*call).openNew, "open": (*call).openNew, "openat": (*call).openNew, "bind": (*call).bind,
	"setxattr": (*call).setxattr, "lsetxattr": (*call).setxattr, "fsetxattr": (*call).setxattr, "setxattrat": (*call).setxattr,
	"getxattr": (*call).getxattr, "lgetxattr": (*call).getxattr, "fgetxattr": (*call).getxattr, "getxattrat": (*call).getxattr,
	"listxattr": (*call).listxattr, "llistxattr": (*call).listxattr, "flistxattr": (*call).listxattr, "listxattrat": (*call).listxattr,
	"removexattr": (*call).removexattr, "lremovexattr": (*call).removexattr, "fremovexattr": (*call).removexattr, "removexattrat": (*call).removexattr,
	"execve": (*call).execve, "execveat": (*call).execve, "chroot": (*call).chroot,
	"setuid": (*call).setIDs, "setgid": (*call).setIDs, "setreuid": (*call).setIDs, "setregid": (*call).setIDs, "setresuid": (*call).setIDs,
	"setresgid": (*call).setIDs, "setfsuid": (*call).setIDs, "setfsgid": (*call).setIDs, "setgroups": (*call).setIDs,
	"getuid": (*call).getID, "geteuid": (*call).getID, "getgid": (*call).getID, "getegid": (*call).getID,
	"getresuid": (*call).getResIDs, "getresgid": (*call).getResIDs, "getgroups": (*call).getGroups,
	"capget": (*call).capget, "capset": (*call).capset, "prctl": (*call).prctl,
	"setrlimit": (*call).setrlimit, "prlimit64": (*call).prlimit, "getrlimit": (*call).getrlimit, "ugetrlimit": (*call).getrlimit,
}

var stats = map[string]bool{
	"stat": true, "lstat": true, "fstat": true, "newfstatat": true, "statx": true,
	"stat64": true, "lstat64": true, "fstat64": true, "fstatat64": true,
}

// answer decides on the outcome of a call. An unknown call fails.
func (s *supervisor) answer(n *notification) answer {
	name, ok := s.names[filter.Arch(n.Arch)][n.NR]
	if !ok {
		return fails(unix.ENOSYS)
	}
	c := &call{sup: s, n: n, thread: thread(n.PID)}
	var errno syscall.Errno
	if c.Call, errno = decode.Decode(c.thread, filter.Arch(n.Arch), name, n.Args); errno != 0 {
		return fails(errno)
	}
	if stats[c.Name] {
		return c.stat()
	}
	handler, ok := handlers[c.Name]
	if !ok {
		return fails(unix.ENOSYS)
	}
	if err := c.identify(); err != nil {
		return fails(err)
	}
	return handler(c)
}

// serve starts to answer calls, until the filter has no more processes. Each receiver has
// a thread of its own. The channel carries the error of a receiver that cannot go on.
func (s *supervisor) serve(receivers int) (<-chan error, error) {
	s.listener.syncWakeUp()
	started, broken := make(chan error, receivers), make(chan error, receivers)
	for range receivers {
		go func() {
			runtime.LockOSThread() // never unlocked: the thread ends with the goroutine
			err := apart()
			started <- err
			if err == nil {
				broken <- s.receive()
			}
		}()
	}
	var err error
	for range receivers {
		err = errors.Join(err, <-started)
	}
	return broken, err
}

// apart gives this thread its own umask and working directory, and blocks its signals: signals
// of Go's scheduler would interrupt the passing of a descriptor, and the kernel would then
// answer the call with 0, as if that were the descriptor.
func apart() error {
	if err := unix.Unshare(unix.CLONE_FS); err != nil {
		return fmt.Errorf("start a thread with an umask of its own: %w", err)
	}
	var set unix.Sigset_t
	for i := range set.Val {
		set.Val[i]-- // from 0: all bits
	}
	for _, s := range []syscall.Signal{syscall.SIGSEGV, syscall.SIGBUS, syscall.SIGFPE, syscall.SIGILL, syscall.SIGABRT, syscall.SIGTRAP} {
		set.Val[0] &^= 1 << (s - 1)
	}
	if err := unix.PthreadSigmask(unix.SIG_SETMASK, &set, nil); err != nil {
		return fmt.Errorf("start a thread without signals: %w", err)
	}
	sandbox.Hurry() // a process of the step waits for each answer
	return nil
}

// receive answers one call after another.
func (s *supervisor) receive() error {
	var n notification
	for {
		switch err := s.listener.receive(&n); err {
		case nil:
		case unix.EINTR, unix.ENOENT: // the caller has been killed
			continue
		default:
			return fmt.Errorf("receive a system call: %w", err)
		}
		a := s.answer(&n)
		if a.answered {
			continue
		}
		r := response{ID: n.ID, Value: a.value, Error: -int32(a.errno)}
		if a.proceed {
			r = response{ID: n.ID, Flags: unix.SECCOMP_USER_NOTIF_FLAG_CONTINUE}
		}
		if err := s.listener.send(&r); err != nil {
			return fmt.Errorf("answer a system call: %w", err)
		}
	}
}
