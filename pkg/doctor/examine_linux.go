// SPDX-License-Identifier: MPL-2.0

package doctor

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// Examination says how abilities are tried.
type Examination struct {
	Process Process
	// Self is the command that calls Child with the words that are added to it.
	Self []string
	// Scratch is an existing directory of the account, on the store's file system unless
	// Elsewhere says that it is not.
	Scratch   string
	Elsewhere bool
	// Runtime is the path of the OCI runtime, "" for none. Asked says that another one
	// than the usual was asked for.
	Runtime string
	Asked   bool
	// Home says why the directories of the program cannot be used, nil if they can.
	Home error
	// LookPath finds programs.
	LookPath func(string) (string, error)
	// Patience is how long one child may take, 0 for a few seconds. /dev/kvm of a nested
	// machine may hang for ever.
	Patience time.Duration
}

// trialTime is how long one trial may take by default.
const trialTime = 5 * time.Second

// Examine tries everything. It goes on after what is refused.
func (e *Examination) Examine(ctx context.Context) Abilities {
	var all Abilities
	all = append(all, e.namespaces(ctx)...)
	all = append(all, e.idRanges(), e.idTools())
	all = append(all, e.inChild(ctx, childPlain, nil, Chown, Mknod, Chroot, FileCaps, Seccomp, Notify)...)
	all = append(all, e.cgroup(), tried(Home, e.Home, ""), e.store())
	all = append(all, e.inChild(ctx, childKVM, nil, KVM)...)
	all = append(all, e.qemu(), e.tun(), e.pasta())
	return append(all, e.runtime(ctx))
}

// namespaces makes a user namespace and tries mounts in it.
func (e *Examination) namespaces(ctx context.Context) Abilities {
	bare := &syscall.SysProcAttr{Cloneflags: unix.CLONE_NEWUSER}
	if err := e.start(ctx, bare, childNothing, nil); err != nil {
		all := Abilities{tried(UserNamespace, refusal("clone", bareError(err), e.Process.Filtered), "")}
		return append(all, unreached(insideNames...)...)
	}
	all := Abilities{tried(UserNamespace, nil, "")}
	one := oneID(e.Process.UID, e.Process.GID)
	if err := e.start(ctx, one, childNothing, nil); err != nil {
		all = append(all, tried(MapOneID, fmt.Errorf("write uid_map: %w", bareError(err)), ""))
		return append(all, unreached(insideNames[1:]...)...)
	}
	all = append(all, tried(MapOneID, nil, ""))
	full := oneID(e.Process.UID, e.Process.GID)
	full.Cloneflags |= unix.CLONE_NEWNS | unix.CLONE_NEWPID | unix.CLONE_NEWIPC | unix.CLONE_NEWUTS
	return append(all, e.inChild(ctx, childInside, full, insideNames[1:]...)...)
}

// oneID are the attributes of a child in a user namespace in which it is the superuser.
func oneID(uid, gid int) *syscall.SysProcAttr {
	return &syscall.SysProcAttr{
		Cloneflags:  unix.CLONE_NEWUSER,
		UidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: uid, Size: 1}},
		GidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: gid, Size: 1}},
	}
}

// bareError is the error number that the kernel gave.
func bareError(err error) error {
	if n, ok := errors.AsType[syscall.Errno](err); ok {
		return n
	}
	return err
}

// unreached are abilities that could not be tried.
func unreached(names ...string) Abilities {
	var all Abilities
	for _, n := range names {
		all = append(all, Ability{Name: n, State: Unknown})
	}
	return all
}

// inChild has a child try some abilities. Those of which it says nothing are refused.
func (e *Examination) inChild(ctx context.Context, what string, attr *syscall.SysProcAttr, names ...string) Abilities {
	var out bytes.Buffer
	err := e.start(ctx, attr, what, &out)
	var found, all Abilities
	for dec := json.NewDecoder(&out); dec.More(); {
		var a Ability
		if dec.Decode(&a) != nil {
			break
		}
		found = append(found, a)
	}
	if err == nil {
		err = errors.New("the trial had no output")
	}
	for _, n := range names {
		a := found.Of(n)
		if a.State == Unknown && a.Detail == "" {
			a = tried(n, err, "")
		}
		all = append(all, a)
	}
	return all
}

// errHangs is about a child that did not end in time.
var errHangs = errors.New("hangs")

// start runs a child in a new directory below the scratch one. A child that hangs in
// the kernel cannot be ended and is left to it.
func (e *Examination) start(ctx context.Context, attr *syscall.SysProcAttr, what string, out *bytes.Buffer) error {
	dir, err := os.MkdirTemp(e.Scratch, "trial-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	r, w, err := os.Pipe()
	if err != nil {
		return err
	}
	defer r.Close()
	cmd := exec.Command(e.Self[0], append(append([]string{}, e.Self[1:]...), what, dir)...)
	cmd.Env = append(os.Environ(), "GOTRACEBACK=none")
	cmd.Stdout = w
	cmd.SysProcAttr = attr
	err = cmd.Start()
	w.Close()
	if err != nil {
		return err
	}
	done := make(chan error, 1)
	read := make(chan struct{})
	go func() {
		if out != nil {
			_, _ = out.ReadFrom(r) // what is missing counts as not tried
		}
		close(read)
		done <- cmd.Wait()
	}()
	patience := cmp.Or(e.Patience, trialTime)
	timer := time.NewTimer(patience)
	defer timer.Stop()
	select {
	case err = <-done:
		return err
	case <-timer.C:
		err = fmt.Errorf("%w for more than %v", errHangs, patience)
	case <-ctx.Done():
		err = ctx.Err()
	}
	_ = cmd.Process.Kill() // it may be gone
	_ = r.SetReadDeadline(time.Now().Add(time.Second))
	<-read
	return err
}

// idRanges counts the subordinate ids of the account.
func (e *Examination) idRanges() Ability {
	p := &e.Process
	if p.UID == 0 {
		return Ability{Name: IDRanges, State: Works, Detail: "the superuser's own"}
	}
	least := uint64(1) << 62
	for _, file := range []string{"/etc/subuid", "/etc/subgid"} {
		data, _ := os.ReadFile(file)
		least = min(least, countIDs(data, p))
	}
	detail := fmt.Sprintf("%d subordinate ids, %d are needed", least, neededIDs)
	if least < neededIDs {
		return Ability{Name: IDRanges, State: Refused, Detail: detail}
	}
	return Ability{Name: IDRanges, State: Works, Detail: detail}
}

// within makes a path of the scratch directory.
func within(dir string, names ...string) string {
	return filepath.Join(append([]string{dir}, names...)...)
}
