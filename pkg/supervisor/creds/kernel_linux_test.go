// SPDX-License-Identifier: MPL-2.0

package creds

import (
	"fmt"
	"math/rand/v2"
	"os"
	"runtime"
	"slices"
	"strconv"
	"syscall"
	"testing"
	"unsafe"

	"github.com/carosio/carosbuild/pkg/userns/usernstest"

	"golang.org/x/sys/unix"
)

func TestMain(m *testing.M) {
	usernstest.Main(m, map[string]func(args []string) int{"compare": compare})
}

// The kernel is the reference: random calls have the same results and leave the same ids
// and capabilities in a thread as in the model.
func TestLikeTheKernel(t *testing.T) {
	out, status := usernstest.Enter(t, "compare", "3000")
	if status != 0 || out != "3000 threads\n" {
		t.Errorf("status %d: %s", status, out)
	}
}

func compare(args []string) int {
	n, err := strconv.Atoi(args[0])
	if err != nil {
		return 2
	}
	for seed := range n {
		diff := make(chan string)
		go func() {
			runtime.LockOSThread() // the thread ends with the goroutine
			diff <- oneThread(rand.New(rand.NewPCG(uint64(seed), 1)))
		}()
		if d := <-diff; d != "" {
			fmt.Println("seed", seed, d)
			return 1
		}
	}
	fmt.Println(n, "threads")
	return 0
}

// oneThread makes random calls in this thread and in the model.
func oneThread(r *rand.Rand) string {
	model, err := kernelCreds()
	if err != nil {
		return err.Error()
	}
	// Most threads have no more capabilities than a step.
	if r.IntN(4) > 0 {
		for n := range Cap(41) {
			if !Default.Has(n) {
				if err := unix.Prctl(unix.PR_CAPBSET_DROP, uintptr(n), 0, 0, 0); err != nil {
					return err.Error()
				}
			}
		}
		model.Bounding = Default
	}
	log := ""
	for range 8 {
		name, got, want, next := step(r, model)
		model = next
		log += fmt.Sprintf("\n  %s: %v", name, got)
		if got != want {
			return fmt.Sprintf("%s, the model says %v", log, want)
		}
		now, err := kernelCreds()
		if err != nil {
			return err.Error()
		}
		now.Bounding = model.Bounding
		if now != model {
			return fmt.Sprintf("%s\n kernel %+v\n model  %+v", log, now, model)
		}
	}
	return ""
}

func step(r *rand.Rand, c Creds) (name string, got, want syscall.Errno, next Creds) {
	id := func() uint32 { return []uint32{0, 0, 1, 33, 1000, Unset}[r.IntN(6)] }
	a, b, s := id(), id(), id()
	raw := func(nr uintptr, args ...uint32) syscall.Errno {
		name += fmt.Sprint(args)
		for len(args) < 3 {
			args = append(args, 0)
		}
		_, _, errno := syscall.RawSyscall(nr, uintptr(args[0]), uintptr(args[1]), uintptr(args[2]))
		return errno
	}
	switch r.IntN(12) {
	case 0:
		name = "setuid"
		next, want = c.Setuid(a)
		return name, raw(unix.SYS_SETUID, a), want, next
	case 1:
		name = "setgid"
		next, want = c.Setgid(a)
		return name, raw(unix.SYS_SETGID, a), want, next
	case 2:
		name = "setreuid"
		next, want = c.Setreuid(a, b)
		return name, raw(unix.SYS_SETREUID, a, b), want, next
	case 3:
		name = "setregid"
		next, want = c.Setregid(a, b)
		return name, raw(unix.SYS_SETREGID, a, b), want, next
	case 4, 5:
		name = "setresuid"
		next, want = c.Setresuid(a, b, s)
		return name, raw(unix.SYS_SETRESUID, a, b, s), want, next
	case 6:
		name = "setresgid"
		next, want = c.Setresgid(a, b, s)
		return name, raw(unix.SYS_SETRESGID, a, b, s), want, next
	case 7, 8:
		name = "setfsuid"
		raw(unix.SYS_SETFSUID, a)
		return name, 0, 0, c.Setfsuid(a)
	case 9:
		name = "setfsgid"
		raw(unix.SYS_SETFSGID, a)
		return name, 0, 0, c.Setfsgid(a)
	case 10:
		name = "keepcaps"
		c.KeepCaps = a == 0
		_, _, got = syscall.RawSyscall(unix.SYS_PRCTL, unix.PR_SET_KEEPCAPS, map[bool]uintptr{true: 1}[c.KeepCaps], 0)
		return name, got, 0, c
	}
	if a == 1 {
		eff, perm, inh := Caps(r.Uint64())&c.Permitted, c.Permitted, Caps(r.Uint64())&0xff
		name = fmt.Sprintf("capset %x %x %x", eff, perm, inh)
		next, want = c.Capset(eff, perm, inh)
		return name, capset(eff, perm, inh), want, next
	}
	groups := []uint32{7, 3, a}[:r.IntN(4)]
	name = fmt.Sprint("setgroups ", groups)
	next, want = c.Setgroups(groups)
	var p unsafe.Pointer
	if len(groups) > 0 {
		p = unsafe.Pointer(&groups[0])
	}
	_, _, got = syscall.RawSyscall(unix.SYS_SETGROUPS, uintptr(len(groups)), uintptr(p), 0)
	return name, got, want, next
}

func capset(eff, perm, inh Caps) syscall.Errno {
	h := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var d [2]unix.CapUserData
	for i := range d {
		d[i] = unix.CapUserData{Effective: uint32(eff >> (32 * i)), Permitted: uint32(perm >> (32 * i)), Inheritable: uint32(inh >> (32 * i))}
	}
	if err := unix.Capset(&h, &d[0]); err != nil {
		return err.(syscall.Errno)
	}
	return 0
}

// kernelCreds are the kernel's credentials of this thread.
func kernelCreds() (Creds, error) {
	var c Creds
	var u, g [3]uint32
	for nr, ids := range map[uintptr]*[3]uint32{unix.SYS_GETRESUID: &u, unix.SYS_GETRESGID: &g} {
		if _, _, errno := syscall.RawSyscall(nr, uintptr(unsafe.Pointer(&ids[0])), uintptr(unsafe.Pointer(&ids[1])), uintptr(unsafe.Pointer(&ids[2]))); errno != 0 {
			return c, errno
		}
	}
	fsuid, _, _ := syscall.RawSyscall(unix.SYS_SETFSUID, uintptr(Unset), 0, 0)
	fsgid, _, _ := syscall.RawSyscall(unix.SYS_SETFSGID, uintptr(Unset), 0, 0)
	c.User, c.Group = IDs{u[0], u[1], u[2], uint32(fsuid)}, IDs{g[0], g[1], g[2], uint32(fsgid)}
	groups, err := unix.Getgroups()
	if err != nil {
		return c, err
	}
	ids := make([]uint32, len(groups))
	for i, g := range groups {
		ids[i] = uint32(g)
	}
	if slices.Contains(ids, 65534) && os.Getuid() == 0 {
		ids = slices.DeleteFunc(ids, func(g uint32) bool { return g == 65534 }) // not mapped: the caller's own
	}
	c.groups = pack(ids)
	keep, err := unix.PrctlRetInt(unix.PR_GET_KEEPCAPS, 0, 0, 0, 0)
	if err != nil {
		return c, err
	}
	c.KeepCaps = keep == 1
	h := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var d [2]unix.CapUserData
	if err := unix.Capget(&h, &d[0]); err != nil {
		return c, err
	}
	c.Effective = Caps(d[0].Effective) | Caps(d[1].Effective)<<32
	c.Permitted = Caps(d[0].Permitted) | Caps(d[1].Permitted)<<32
	c.Inheritable = Caps(d[0].Inheritable) | Caps(d[1].Inheritable)<<32
	for n := range Cap(41) {
		if has, err := unix.PrctlRetInt(unix.PR_CAPBSET_READ, uintptr(n), 0, 0, 0); err == nil && has == 1 {
			c.Bounding |= 1 << n
		}
	}
	return c, nil
}
