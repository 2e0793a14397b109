// SPDX-License-Identifier: MPL-2.0

package runc

import (
	"errors"

	"github.com/carosio/carosbuild/pkg/sandbox"
	specs "github.com/opencontainers/runtime-spec/specs-go"
)

// config is the bundle's config.json for a step. It has no user namespace, because the runtime
// is in the right one already, and no cgroup, because an ordinary user owns none. Pids is the
// step's PID namespace, "" for a new one.
func (r *Runtime) config(s sandbox.Command, pids string) (*specs.Spec, error) {
	namespaces := []specs.LinuxNamespace{
		{Type: specs.PIDNamespace, Path: pids}, {Type: specs.IPCNamespace}, {Type: specs.UTSNamespace}, {Type: specs.MountNamespace},
	}
	switch s.Network {
	case sandbox.HostNetwork:
	case sandbox.ClosedNetwork:
		if s.NetNS == "" { // the runtime would make a new one
			return nil, errors.New("the step's network has no namespace")
		}
		namespaces = append(namespaces, specs.LinuxNamespace{Type: specs.NetworkNamespace, Path: s.NetNS})
	default: // an unknown kind gets no network
		namespaces = append(namespaces, specs.LinuxNamespace{Type: specs.NetworkNamespace})
	}
	caps := sandbox.Capabilities()
	spec := &specs.Spec{
		Version:  "1.0.2",
		Hostname: sandbox.Hostname,
		Root:     &specs.Root{Path: s.Root},
		Process: &specs.Process{
			Terminal:     s.Terminal,
			User:         specs.User{UID: s.UID, GID: s.GID, AdditionalGids: s.Groups},
			Args:         s.Args,
			Env:          s.Env,
			Cwd:          s.Cwd,
			Rlimits:      rlimits(s.Limits),
			Capabilities: &specs.LinuxCapabilities{Bounding: caps, Effective: caps, Permitted: caps},
		},
		Mounts: r.mounts(s),
		Linux: &specs.Linux{
			Namespaces: namespaces,
			Seccomp:    inner(),
			MaskedPaths: []string{
				"/proc/acpi", "/proc/asound", "/proc/interrupts", "/proc/kcore", "/proc/keys",
				"/proc/latency_stats", "/proc/timer_list", "/proc/timer_stats", "/proc/sched_debug", "/proc/scsi",
				"/sys/firmware", "/sys/devices/virtual/powercap",
			},
			ReadonlyPaths: []string{"/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"},
		},
	}
	if s.UID != 0 { // as for another user's process after execve
		spec.Process.Capabilities.Effective = nil
		spec.Process.Capabilities.Permitted = nil
	}
	if r.noHostname {
		spec.Hostname = ""
	}
	return spec, nil
}

func rlimits(l sandbox.Limits) []specs.POSIXRlimit {
	var out []specs.POSIXRlimit
	for _, r := range l.Rlimits() {
		out = append(out, specs.POSIXRlimit{Type: r.Name, Soft: r.Max, Hard: r.Max})
	}
	return out
}

func (r *Runtime) mounts(s sandbox.Command) []specs.Mount {
	proc := specs.Mount{Destination: "/proc", Type: "proc", Source: "proc"}
	if r.BoundProc {
		proc = specs.Mount{Destination: "/proc", Type: "bind", Source: "/proc", Options: []string{"rbind", "nosuid", "noexec", "nodev"}}
	}
	ms := []specs.Mount{
		proc,
		{Destination: "/dev", Type: "tmpfs", Source: "tmpfs", Options: []string{"nosuid", "strictatime", "mode=755", "size=65536k"}},
		{
			Destination: "/dev/pts", Type: "devpts", Source: "devpts",
			Options: []string{"nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5"},
		},
		{Destination: "/dev/shm", Type: "tmpfs", Source: "shm", Options: []string{"nosuid", "noexec", "nodev", "mode=1777", "size=65536k"}},
		{Destination: "/sys", Type: "bind", Source: "/sys", Options: []string{"rbind", "nosuid", "noexec", "nodev", "ro"}},
	}
	for _, m := range s.Mounts {
		opts := []string{"bind", "nosuid", "nodev"}
		if m.ReadOnly {
			opts = append(opts, "ro")
		}
		ms = append(ms, specs.Mount{Destination: m.Target, Type: "bind", Source: m.Source, Options: opts})
	}
	return ms
}
