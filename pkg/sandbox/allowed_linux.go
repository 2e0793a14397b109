// SPDX-License-Identifier: MPL-2.0

package sandbox

import (
	"fmt"
	"slices"

	"github.com/moby/profiles/seccomp"
	specs "github.com/opencontainers/runtime-spec/specs-go"
)

// Capabilities are Docker's default capabilities of a container, which the superuser of a step
// has, too.
func Capabilities() []string {
	return []string{
		"CAP_AUDIT_WRITE", "CAP_CHOWN", "CAP_DAC_OVERRIDE", "CAP_FOWNER", "CAP_FSETID", "CAP_KILL", "CAP_MKNOD",
		"CAP_NET_BIND_SERVICE", "CAP_NET_RAW", "CAP_SETFCAP", "CAP_SETGID", "CAP_SETPCAP", "CAP_SETUID", "CAP_SYS_CHROOT",
	}
}

// AllowedCalls are the system calls that Docker's default profile allows with any arguments to
// a container with Capabilities, sorted. In addition there are clone, socket and personality,
// see NamespaceFlags, RefusedFamilies and Personalities.
func AllowedCalls() ([]string, error) {
	profile, err := seccomp.GetDefaultProfile(&specs.Spec{Process: &specs.Process{
		Capabilities: &specs.LinuxCapabilities{Bounding: Capabilities()},
	}})
	if err != nil {
		return nil, fmt.Errorf("system calls that a step may make: %w", err)
	}
	var names []string
	for _, rule := range profile.Syscalls {
		if rule.Action == specs.ActAllow && len(rule.Args) == 0 {
			names = append(names, rule.Names...)
		}
	}
	slices.Sort(names)
	return slices.Compact(names), nil
}
