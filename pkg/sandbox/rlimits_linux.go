// SPDX-License-Identifier: MPL-2.0

package sandbox

import "golang.org/x/sys/unix"

// Rlimit is a limit of setrlimit(2), soft and hard.
type Rlimit struct {
	Resource int
	Name     string // as in an OCI runtime's configuration
	Max      uint64
}

// Rlimits are what stands in for limits where there is no control group: memory that
// a process may write to, each process its own, and the processes and threads of a user
// id. The kernel counts the latter in a user namespace and those around it, over all steps, and
// not at all for its own superuser.
func (l Limits) Rlimits() []Rlimit {
	var out []Rlimit
	if l.Memory > 0 {
		out = append(out, Rlimit{unix.RLIMIT_DATA, "RLIMIT_DATA", uint64(l.Memory)})
	}
	if l.PIDs > 0 {
		out = append(out, Rlimit{unix.RLIMIT_NPROC, "RLIMIT_NPROC", uint64(l.PIDs)})
	}
	return out
}
