// SPDX-License-Identifier: MPL-2.0

package doctor

import (
	"fmt"
	"os"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/carosio/carosbuild/pkg/userns"
)

// neededIDs is how many ids a namespace wants besides the account's own.
const neededIDs = userns.MinIDs - 1

// countIDs is how many ids subuid(5) gives an account, by its name or number.
func countIDs(data []byte, p *Process) uint64 {
	var sum uint64
	for _, ids := range userns.ReadSubIDs(data) {
		if ids.Of(userns.Account{UID: p.UID, Name: p.Name}) {
			sum += uint64(ids.Count)
		}
	}
	return sum
}

// freeIDs is where the ids begin that subuid(5) gives to nobody.
func freeIDs(data []byte) uint64 {
	free := uint64(100000)
	for _, ids := range userns.ReadSubIDs(data) {
		free = max(free, uint64(ids.Start)+uint64(ids.Count))
	}
	return free
}

// toolKind is how a program gets its privilege.
type toolKind int

const (
	toolMissing toolKind = iota
	toolBare             // it has none
	toolSetuid
	toolCaps // file capabilities
)

// kindOf looks at newuidmap or newgidmap.
func kindOf(path string) toolKind {
	var st unix.Stat_t
	if path == "" || unix.Stat(path, &st) != nil {
		return toolMissing
	}
	if n, err := unix.Getxattr(path, "security.capability", nil); err == nil && n > 0 {
		return toolCaps
	}
	if st.Mode&unix.S_ISUID != 0 && st.Uid == 0 {
		return toolSetuid
	}
	return toolBare
}

// idTools finds out whether newuidmap and newgidmap can have an effect.
func (e *Examination) idTools() Ability {
	if e.Process.UID == 0 {
		if e.Process.Can(rootCaps...) {
			return Ability{Name: IDTools, State: Works, Detail: "not needed, the superuser maps ids himself"}
		}
		return Ability{Name: IDTools, State: Refused, Detail: "user id 0 without the capabilities SETUID, SETGID and SETFCAP"}
	}
	kinds := map[string]toolKind{}
	for _, tool := range []string{"newuidmap", "newgidmap"} {
		path, _ := e.LookPath(tool)
		kinds[tool] = kindOf(path)
	}
	why, needs := toolFaults(&e.Process, kinds)
	if len(why) > 0 {
		return Ability{Name: IDTools, State: Refused, Detail: strings.Join(why, "; "), Needs: needs}
	}
	return Ability{Name: IDTools, State: Works, Detail: map[toolKind]string{toolSetuid: "set-user-ID root", toolCaps: "with file capabilities"}[kinds["newuidmap"]]}
}

// toolFaults are what keeps newuidmap and newgidmap from mapping ranges, and what
// would mend it.
func toolFaults(p *Process, kinds map[string]toolKind) (why []string, needs []Change) {
	fault := func(text string, changes ...Change) {
		why = append(why, text)
		for _, c := range changes {
			if !slices.Contains(needs, c) {
				needs = append(needs, c)
			}
		}
	}
	// The kernel wants the capability SYS_ADMIN of a writer that is not the namespace's
	// owner, user_namespaces(7), and a set-user-ID program is root.
	setuidWorks := p.May(unix.CAP_SYS_ADMIN)
	both := "newuidmap and newgidmap"
	for _, tool := range []string{"newuidmap", "newgidmap"} {
		name, verb := tool, "is"
		if kinds["newuidmap"] == kinds["newgidmap"] {
			name, verb = both, "are"
		}
		switch k := kinds[tool]; {
		case k == toolMissing && setuidWorks:
			fault(name+" "+verb+" not installed", AddTools)
		case k == toolMissing:
			fault(name+" "+verb+" not installed", AddTools, CapTools)
		case k == toolBare:
			fault(name+" "+verb+" neither set-user-ID root nor with file capabilities", CapTools)
		case k == toolSetuid && !setuidWorks:
			fault(name+" "+verb+" set-user-ID root, which is of use only with SYS_ADMIN in the bounding set: file capabilities work without", CapTools)
		}
		if name == both {
			break
		}
	}
	if !p.May(unix.CAP_SETUID, unix.CAP_SETGID) {
		fault("SETUID and SETGID are not in the bounding set", IDCaps)
	}
	if p.NoNewPrivs {
		fault("no_new_privs keeps programs from gaining privileges", NewPrivs)
	}
	if !p.Named {
		fault(fmt.Sprintf("user id %d has no entry in /etc/passwd", p.UID), AddAccount)
	}
	return why, needs
}

// mountFlags are the flags, the magic and the free bytes of the file system of a directory.
func mountFlags(dir string) (flags int64, kind int64, free int64, err error) {
	var st unix.Statfs_t
	if err := unix.Statfs(dir, &st); err != nil {
		return 0, 0, 0, &os.PathError{Op: "statfs", Path: dir, Err: err}
	}
	return int64(st.Flags), int64(st.Type), int64(st.Bavail) * int64(st.Bsize), nil
}
