// SPDX-License-Identifier: MPL-2.0

package doctor

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// Place is what a process runs in.
type Place string

const (
	Kubernetes Place = "kubernetes"
	Docker     Place = "docker"
	Podman     Place = "podman"
	Container  Place = "container" // of a kind that does not show
	Host       Place = "host"
)

// Process is what the kernel says of this process, and where it runs.
type Process struct {
	Place      Place  `json:"place"`
	UID        int    `json:"uid"`
	GID        int    `json:"gid"`
	Named      bool   `json:"named"` // /etc/passwd has the uid
	Name       string `json:"name,omitempty"`
	NoNewPrivs bool   `json:"no_new_privs"`
	Filtered   bool   `json:"seccomp"`     // a seccomp filter is in force
	MaskedProc bool   `json:"masked_proc"` // something is mounted below /proc
	FreeIDs    uint64 `json:"-"`           // from here on no account has subordinate ids
	Effective  uint64 `json:"-"`           // capabilities, a bit for each
	Bounding   uint64 `json:"-"`           // capabilities that may be gained
}

// ReadProcess looks at this process. root is "/" but in tests.
func ReadProcess(root string, getenv func(string) string, uid, gid int) Process {
	p := Process{Place: placeOf(root, getenv), UID: uid, GID: gid}
	status, _ := os.ReadFile(filepath.Join(root, "proc/self/status")) // what is missing counts as not set
	p.readStatus(status)
	mounts, _ := os.ReadFile(filepath.Join(root, "proc/self/mountinfo"))
	p.MaskedProc = maskedProc(mounts)
	passwd, _ := os.ReadFile(filepath.Join(root, "etc/passwd"))
	p.Name, p.Named = accountName(passwd, uid)
	for _, file := range []string{"etc/subuid", "etc/subgid"} {
		data, _ := os.ReadFile(filepath.Join(root, file))
		p.FreeIDs = max(p.FreeIDs, freeIDs(data))
	}
	return p
}

// String says where the process runs and what it is denied.
func (p *Process) String() string {
	text := fmt.Sprintf("%s, uid %d", p.Place, p.UID)
	if p.Named {
		text += " (" + p.Name + ")"
	} else {
		text += " (not in /etc/passwd)"
	}
	for _, x := range []struct {
		is   bool
		word string
	}{{p.NoNewPrivs, "no_new_privs"}, {p.Filtered, "a seccomp filter"}, {p.MaskedProc, "parts of /proc masked"}} {
		if x.is {
			text += ", " + x.word
		}
	}
	return text
}

// Can reports whether the process has all of some capabilities, numbers of capability.h.
func (p *Process) Can(caps ...uint) bool { return holds(p.Effective, caps) }

// May reports whether a program with file capabilities could gain some capabilities.
func (p *Process) May(caps ...uint) bool { return holds(p.Bounding, caps) }

func holds(set uint64, caps []uint) bool {
	for _, c := range caps {
		if set>>c&1 == 0 {
			return false
		}
	}
	return true
}

// readStatus reads /proc/PID/status, proc_pid_status(5).
func (p *Process) readStatus(data []byte) {
	for line := range strings.Lines(string(data)) {
		name, value, _ := strings.Cut(line, ":")
		value = strings.TrimSpace(value)
		switch name {
		case "NoNewPrivs":
			p.NoNewPrivs = value == "1"
		case "Seccomp":
			p.Filtered = value == "2"
		case "CapEff":
			p.Effective, _ = strconv.ParseUint(value, 16, 64)
		case "CapBnd":
			p.Bounding, _ = strconv.ParseUint(value, 16, 64)
		}
	}
}

// maskedProc reports whether mountinfo has something mounted below /proc, which
// forbids another mount of proc in a user namespace. binfmt_misc is on many hosts, on a
// directory that the kernel keeps empty for it.
func maskedProc(mountinfo []byte) bool {
	for line := range bytes.Lines(mountinfo) {
		f := strings.Fields(string(line))
		if len(f) > 4 && strings.HasPrefix(f[4], "/proc/") && f[4] != "/proc/sys/fs/binfmt_misc" {
			return true
		}
	}
	return false
}

// accountName is the name of a user id, passwd(5).
func accountName(passwd []byte, uid int) (string, bool) {
	for line := range strings.Lines(string(passwd)) {
		f := strings.Split(line, ":")
		if len(f) > 2 && f[2] == strconv.Itoa(uid) {
			return f[0], true
		}
	}
	return "", false
}

// placeOf recognises containers by what their makers leave in them.
func placeOf(root string, getenv func(string) string) Place {
	there := func(name string) bool {
		_, err := os.Lstat(filepath.Join(root, name))
		return err == nil
	}
	switch {
	case getenv("KUBERNETES_SERVICE_HOST") != "", there("var/run/secrets/kubernetes.io/serviceaccount"):
		return Kubernetes
	case there("run/.containerenv"):
		return Podman
	case there(".dockerenv"):
		return Docker
	case getenv("container") != "" && getenv("container") != "systemd-nspawn", rootIsOverlay(filepath.Join(root, "proc/self/mountinfo")):
		return Container
	}
	return Host
}

// rootIsOverlay reports whether / is an overlay, as containers have it.
func rootIsOverlay(mountinfo string) bool {
	data, _ := os.ReadFile(mountinfo)
	for line := range strings.Lines(string(data)) {
		f := strings.Fields(line)
		for i := 6; i+1 < len(f); i++ {
			if f[4] == "/" && f[i] == "-" {
				return f[i+1] == "overlay"
			}
		}
	}
	return false
}

// rootCaps are what the superuser of a container wants for a user namespace with all
// of its ids.
var rootCaps = []uint{unix.CAP_SETUID, unix.CAP_SETGID, unix.CAP_SETFCAP}

// chrootCaps are what steps want of a superuser without namespaces.
var chrootCaps = []uint{
	unix.CAP_CHOWN, unix.CAP_DAC_OVERRIDE, unix.CAP_FOWNER, unix.CAP_FSETID, unix.CAP_MKNOD,
	unix.CAP_SETGID, unix.CAP_SETUID, unix.CAP_SETFCAP, unix.CAP_SETPCAP, unix.CAP_SYS_CHROOT, unix.CAP_KILL,
}
