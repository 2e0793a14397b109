// SPDX-License-Identifier: MPL-2.0

package doctor

import (
	"errors"
	"fmt"

	"golang.org/x/sys/unix"
)

// State says how a trial went.
type State string

const (
	Works   State = "ok"
	Refused State = "no"
	Unknown State = "?" // it was not reached, or nothing tells
)

// Ability is one thing that was tried.
type Ability struct {
	Name   string `json:"name"`
	State  State  `json:"state"`
	Detail string `json:"detail,omitempty"`
	// Needs are the changes after which it works, where only looking tells.
	Needs []Change `json:"needs,omitempty"`
}

// tried is the ability that a trial found. detail is for one that works.
func tried(name string, err error, detail string) Ability {
	if err != nil {
		return Ability{Name: name, State: Refused, Detail: err.Error()}
	}
	return Ability{Name: name, State: Works, Detail: detail}
}

// Abilities are in the order of the trials.
type Abilities []Ability

// Of looks an ability up. One that is not there is unknown.
func (a Abilities) Of(name string) Ability {
	for _, x := range a {
		if x.Name == name {
			return x
		}
	}
	return Ability{Name: name, State: Unknown}
}

// works reports whether all of some abilities were seen to work.
func (a Abilities) works(names ...string) bool {
	for _, n := range names {
		if a.Of(n).State != Works {
			return false
		}
	}
	return true
}

// Names of the abilities.
const (
	UserNamespace = "user namespace"
	MapOneID      = "map one id"
	Mounts        = "mounts"
	Tmpfs         = "tmpfs"
	Bind          = "bind mount"
	FreshProc     = "fresh /proc"
	BoundProc     = "bind of /proc"
	Overlay       = "overlay mount"
	MountSetattr  = "mount_setattr"
	NewMountCalls = "fsopen"
	SetHostname   = "sethostname"
	Keyctl        = "keyctl"
	Setns         = "setns"
	PivotRoot     = "pivot_root"
	Binfmt        = "binfmt_misc"
	IDRanges      = "id ranges"
	IDTools       = "newuidmap"
	Chown         = "chown"
	Mknod         = "mknod"
	Chroot        = "chroot"
	FileCaps      = "file capabilities"
	Seccomp       = "seccomp filter"
	Notify        = "seccomp notify"
	Cgroup        = "cgroup v2"
	Store         = "file system"
	Home          = "home"
	KVM           = "/dev/kvm"
	QEMU          = "QEMU"
	TUN           = "/dev/net/tun"
	Pasta         = "pasta"
	Runtime       = "OCI runtime"
)

// what is said of an error number: the number's own text, and what it often means.
func refusal(call string, err error, filtered bool) error {
	switch {
	case err == nil:
		return nil
	case filtered && (errors.Is(err, unix.EPERM) || errors.Is(err, unix.ENOSYS)):
		return fmt.Errorf("%s: %w (this process has a seccomp filter)", call, err)
	}
	return fmt.Errorf("%s: %w", call, err)
}
