// SPDX-License-Identifier: MPL-2.0

package sandbox

import "golang.org/x/sys/unix"

// Rlimit is a limit of setrlimit(2), soft and hard.
type Rlimit struct {
	Resource int
	Name     string // as in an OCI runtime's configuration
	Max      uint64
}

// Rlimits are a brake where there is no control group. Without one, the kernel can limit the
// memory that one process may write to, and how many processes and threads a user id has in a
// user namespace. That number includes the builder's own and those of other running steps, so
// it is far above the limit that Watch enforces. The kernel does not count them for its own
// superuser. A runtime needs some memory itself, before it becomes the command. No limit is
// above this process's own hard limit, which only an administrator may raise.
func (l Limits) Rlimits() []Rlimit {
	var out []Rlimit
	if l.Memory > 0 {
		out = append(out, Rlimit{unix.RLIMIT_DATA, "RLIMIT_DATA", uint64(max(l.Memory, 256<<20))})
	}
	if l.PIDs > 0 {
		out = append(out, Rlimit{unix.RLIMIT_NPROC, "RLIMIT_NPROC", 4*uint64(l.PIDs) + 512})
	}
	for i, r := range out {
		var own unix.Rlimit
		if unix.Getrlimit(r.Resource, &own) == nil {
			out[i].Max = min(r.Max, own.Max)
		}
	}
	return out
}
