// SPDX-License-Identifier: MPL-2.0

// Probe makes the system calls that a supervisor answers, without a C library in between, and
// prints the results. With arguments it makes many of them: "fork N", "call NAME N".
package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

func main() {
	runtime.LockOSThread()
	if len(os.Args) > 2 {
		n, _ := strconv.Atoi(os.Args[len(os.Args)-1])
		many(os.Args[1:], n)
		return
	}
	if len(os.Args) > 1 {
		switch os.Args[1] {
		case "late":
			late()
		case "swap":
			swap()
		case "exe":
			var st, plain unix.Stat_t
			say("", errors.Join(unix.Stat("/proc/self/exe", &st), unix.Stat("/probe", &plain)))
			fmt.Println(unix.Geteuid(), st.Ino == plain.Ino)
		case "who":
			r, e, s := unix.Getresuid()
			rg, eg, sg := unix.Getresgid()
			fmt.Println(r, e, s, rg, eg, sg)
		}
		return
	}
	for _, err := range []error{os.Link("/probe", "/suid"), unix.Chown("/suid", 7, 8), unix.Chmod("/suid", 0o6755)} {
		if err != nil {
			fmt.Println(err)
		}
	}
	files()
	ids()
}

// late executes a setuid program that the kernel cannot execute, which it finds out late.
func late() {
	program, err := os.ReadFile("/proc/self/exe")
	say("read", err)
	say("write", os.WriteFile("/bad", program[:64], 0o755)) // without what its header speaks of
	say("chmod", unix.Chmod("/bad", 0o4755))
	say("become", unix.Setresuid(33, 33, 33))
	for range 2 {
		fmt.Println(syscall.Exec("/bad", []string{"bad"}, nil) != nil)
		r, e, s := unix.Getresuid()
		fmt.Println(r, e, s)
	}
	say("execute", syscall.Exec("/probe", []string{"probe", "who"}, nil))
}

// swap makes another user execute a program that is sometimes setuid and sometimes not.
func swap() {
	data, err := os.ReadFile("/probe")
	say("read", errors.Join(err, os.WriteFile("/suid", data, 0o755), unix.Chmod("/suid", 0o4755), unix.Chmod("/", 0o777)))
	say("become", unix.Setresuid(33, 33, 33))
	go func() {
		for i := 0; ; i++ {
			_ = os.Symlink([]string{"probe", "suid"}[i%2], "/new")
			_ = os.Rename("/new", "/program")
		}
	}()
	seen := map[string]int{}
	for range 200 {
		out, _ := exec.Command("/program", "exe").Output()
		seen[string(out)]++
	}
	fmt.Println("root as another program:", seen[" <nil>\n0 true\n"], "as itself:", seen[" <nil>\n0 false\n"] > 0, "neither:", seen[" <nil>\n33 true\n"] > 0)
}

func files() {
	say("create", os.WriteFile("f", []byte("abc"), 0o640))
	say("chown", unix.Chown("f", 33, 70000))
	tell("f")
	say("symlink", unix.Symlink("f", "l"))
	say("lchown", unix.Lchown("l", 5, 6))
	tell("l")
	fd, err := unix.Open("f", unix.O_RDWR, 0)
	say("open", err)
	say("fchown", unix.Fchown(fd, 7, -1))
	var st unix.Stat_t
	say("fstat", unix.Fstat(fd, &st))
	fmt.Println(st.Uid, st.Gid, st.Size)
	say("fchownat", unix.Fchownat(unix.AT_FDCWD, "l", 8, 9, unix.AT_SYMLINK_NOFOLLOW))
	say("mknod", unix.Mknod("n", unix.S_IFCHR|0o620, int(unix.Mkdev(5, 300))))
	say("whiteout", unix.Mknod("n", unix.S_IFCHR|0o620, 0))
	say("once more", unix.Mknod("f", unix.S_IFBLK|0o620, int(unix.Mkdev(8, 0))))
	say("mkdir", unix.Mkdir("d", 0o2775))
	say("chown", unix.Chown("d", 0, 44))
	say("chmod", unix.Chmod("d", 0o2770))
	say("in a setgid directory", os.WriteFile("d/f", nil, 0o600))
	tell("d/f")
	say("setxattr", unix.Setxattr("f", "user.x", []byte("1"), 0))
	say("forge", unix.Setxattr("f", "user.containers.override_stat", []byte("1:1:0755:file"), 0))
	b := make([]byte, 100)
	n, err := unix.Listxattr("f", b)
	say("listxattr", err)
	fmt.Printf("%q\n", b[:max(n, 0)])
	n, err = unix.Getxattr("f", "user.x", b)
	fmt.Printf("%q %v\n", b[:max(n, 0)], err)
	_, err = unix.Getxattr("f", "user.containers.override_stat", b)
	say("look", err)
	say("remove", unix.Removexattr("f", "user.containers.override_stat"))
	_, err = unix.Openat2(unix.AT_FDCWD, "f", &unix.OpenHow{})
	say("openat2", err)
}

func tell(name string) {
	var st unix.Stat_t
	say("lstat "+name, unix.Lstat(name, &st))
	var sx unix.Statx_t
	say("statx", unix.Statx(unix.AT_FDCWD, name, unix.AT_SYMLINK_NOFOLLOW, unix.STATX_BASIC_STATS, &sx))
	fmt.Printf("%o %d:%d %d,%d %d %d %v; %o %d:%d %d,%d\n", st.Mode, st.Uid, st.Gid, unix.Major(uint64(st.Rdev)), unix.Minor(uint64(st.Rdev)), st.Size, st.Nlink,
		uint64(st.Ino) == sx.Ino && int64(st.Mtim.Sec) == sx.Mtime.Sec, sx.Mode, sx.Uid, sx.Gid, sx.Rdev_major, sx.Rdev_minor)
}

func ids() {
	say("setgroups", syscall.Setgroups([]int{7, 70000, 3}))
	g, err := unix.Getgroups()
	fmt.Println(g, err)
	say("setresgid", unix.Setresgid(44, 40001, 44))
	say("setresuid", unix.Setresuid(33, 40002, 0))
	r, e, s := unix.Getresuid()
	fmt.Println(r, e, s, unix.Getuid(), unix.Geteuid(), unix.Getgid(), unix.Getegid())
	say("as another user", os.WriteFile("u", nil, 0o644))
	say("in an open directory", os.WriteFile("d/u", nil, 0o644))
	tell("d/u")
	say("chown", unix.Chown("f", 1, 1))
	say("back", unix.Setresuid(-1, 0, -1))
	say("chown", unix.Chown("f", 1, 1))
	say("setuid", unix.Setuid(0))
	say("drop", unix.Setresuid(33, 33, 33))
	say("and back", unix.Setresuid(0, 0, 0))
	var l unix.Rlimit
	say("getrlimit", unix.Getrlimit(unix.RLIMIT_RTTIME, &l))
	fmt.Println(l.Cur == unix.RLIM_INFINITY, l.Max == unix.RLIM_INFINITY)
	l.Max, l.Cur = 1000, 1000
	say("setrlimit", unix.Setrlimit(unix.RLIMIT_RTTIME, &l))
	say("execute", syscall.Exec("/suid", []string{"suid", "who"}, nil))
}

func say(what string, err error) { fmt.Println(what, err) }

// many makes one call often, or starts many processes, and prints the time for one.
func many(what []string, n int) {
	var st unix.Stat_t
	say("create", os.WriteFile("many", nil, 0o644))
	say("chown", unix.Chown("many", 0, 0))
	f := map[string]func() error{
		"getpid": func() error { unix.Getppid(); return nil },
		"getuid": func() error { unix.Getuid(); return nil },
		"stat":   func() error { return unix.Stat("many", &st) },
		"absent": func() error { _ = unix.Stat("none", &st); return nil },
		"owned":  func() error { return unix.Stat("owned", &st) },
		"chown":  func() error { return unix.Chown("many", 0, 0) },
		"open":   func() error { fd, err := unix.Open("many", unix.O_RDONLY, 0); unix.Close(fd); return err },
		"create": func() error {
			fd, err := unix.Open("new", unix.O_CREAT|unix.O_WRONLY, 0o644)
			unix.Close(fd)
			unix.Unlink("new")
			return err
		},
		"chmod":   func() error { return unix.Chmod("many", 0o644) },
		"setresu": func() error { return unix.Setresuid(0, 0, 0) },
		"xattr":   func() error { _, _ = unix.Getxattr("many", "security.selinux", nil); return nil },
		"mine": func() error { // the descriptor that was passed, and not another
			fd, err := unix.Open("mine/f", unix.O_CREAT|unix.O_EXCL|unix.O_RDWR, 0o600)
			if err != nil {
				return err
			}
			if n, err := unix.Write(fd, []byte("x")); n != 1 || fd < 3 {
				return fmt.Errorf("descriptor %d: %w", fd, err)
			}
			return errors.Join(unix.Fstat(fd, &st), unix.Close(fd), unix.Unlink("mine/f"))
		},
		"fork": func() error { return exec.Command("/probe", "nothing").Run() },
	}
	say("create", os.WriteFile("owned", nil, 0o644))
	say("chown", unix.Chown("owned", 33, 33))
	names := what[1 : len(what)-1]
	if names[0] == "mine" {
		say("directory", unix.Mkdir("mine", 0o777))
		say("another user", unix.Setresuid(-1, 33, -1))
	}
	for _, name := range names {
		start := time.Now()
		for range n {
			if err := f[name](); err != nil {
				fmt.Println(name, err)
				return
			}
		}
		fmt.Printf("%s %.2f us\n", name, float64(time.Since(start).Nanoseconds())/float64(n)/1000)
	}
}
