// SPDX-License-Identifier: MPL-2.0

package userns

import (
	"bytes"
	"fmt"
	"os"
	"strconv"
	"strings"

	"github.com/carosio/carosbuild/pkg/remedy"
)

// MinIDs is how many user and group ids a namespace must have: the highest id in Debian and in
// the images on registries is nobody, 65534.
const MinIDs = 65535

// IDRange maps Count ids, starting at Inside in the namespace and at Outside outside it.
type IDRange struct{ Inside, Outside, Count uint32 }

// IDMap is the contents of uid_map and gid_map, user_namespaces(7).
type IDMap struct{ UIDs, GIDs []IDRange }

// NewIDMap maps id 0 to the caller and ids from 1 to the subordinate ranges of /etc/subuid and
// /etc/subgid, given as their contents. The superuser needs no ranges: its ids map to
// themselves, so that the store is the superuser's podman's; the contents are then those of
// /proc/self/uid_map and gid_map, since a container may have fewer ids.
func NewIDMap(a Account, subuid, subgid []byte) (IDMap, error) {
	if a.Root() {
		uids, err := ownRanges("/proc/self/uid_map", subuid)
		if err != nil {
			return IDMap{}, err
		}
		gids, err := ownRanges("/proc/self/gid_map", subgid)
		return IDMap{uids, gids}, err
	}
	uids, err := subRanges("/etc/subuid", subuid, a, a.UID)
	if err != nil {
		return IDMap{}, err
	}
	gids, err := subRanges("/etc/subgid", subgid, a, a.GID)
	if err != nil {
		return IDMap{}, err
	}
	return IDMap{uids, gids}, nil
}

// ownRanges maps the ids of this process, from 0, to themselves. The kernel requires each range
// to lie within one of the namespace's own.
func ownRanges(file string, data []byte) ([]IDRange, error) {
	var ranges []IDRange
	next := uint32(0)
	for line := range strings.Lines(string(data)) {
		var inside, outside, count uint32
		_, err := fmt.Sscan(line, &inside, &outside, &count)
		if count = min(count, 1<<16-next); err == nil && inside == next && count > 0 {
			ranges = append(ranges, IDRange{next, next, count})
			next += count
		}
	}
	if next < MinIDs {
		return nil, &remedy.Error{
			Tried: fmt.Sprintf("%[2]s has only %[1]d ids, but a build needs %[3]d", next, file, MinIDs),
			Cure:  "give the container more ids",
		}
	}
	return ranges, nil
}

// SubIDs are the ids in a line of subuid(5) or subgid(5).
type SubIDs struct {
	Who          string // name or number
	Start, Count uint32
}

// Of reports whether they belong to an account.
func (s SubIDs) Of(a Account) bool { return s.Who == a.Name || s.Who == strconv.Itoa(a.UID) }

// ReadSubIDs reads subuid(5) or subgid(5). Lines that newuidmap and newgidmap do not understand
// are left out.
func ReadSubIDs(data []byte) (all []SubIDs) {
	for line := range strings.Lines(string(data)) {
		f := strings.Split(strings.TrimSpace(line), ":")
		if len(f) != 3 || f[0] == "" {
			continue
		}
		start, err1 := strconv.ParseUint(f[1], 10, 32)
		count, err2 := strconv.ParseUint(f[2], 10, 32)
		if err1 == nil && err2 == nil && count > 0 {
			all = append(all, SubIDs{f[0], uint32(start), uint32(count)})
		}
	}
	return all
}

func subRanges(file string, data []byte, a Account, own int) ([]IDRange, error) {
	ranges := []IDRange{{0, uint32(own), 1}}
	next := uint32(1)
	for _, s := range ReadSubIDs(data) {
		if s.Of(a) {
			ranges = append(ranges, IDRange{next, s.Start, s.Count})
			next += s.Count
		}
	}
	if next < MinIDs {
		who := a.Name
		if who == "" {
			who = strconv.Itoa(a.UID)
		}
		return nil, &remedy.Error{
			Tried: fmt.Sprintf("user %s has %d subordinate ids in %s, but a build needs %d", who, next-1, file, MinIDs-1),
			Cure:  fmt.Sprintf("as an administrator: usermod --add-subuids 100000-165535 --add-subgids 100000-165535 %s (choose a range that %s does not list yet)", who, file),
		}
	}
	return ranges, nil
}

// idArgs are the arguments of newuidmap and newgidmap after the process id.
func idArgs(ranges []IDRange) []string {
	var out []string
	for _, r := range ranges {
		out = append(out, fmt.Sprint(r.Inside), fmt.Sprint(r.Outside), fmt.Sprint(r.Count))
	}
	return out
}

// idLines is the text to write to uid_map or gid_map directly.
func idLines(ranges []IDRange) []byte {
	var b bytes.Buffer
	for _, r := range ranges {
		fmt.Fprintln(&b, r.Inside, r.Outside, r.Count)
	}
	return b.Bytes()
}

// readIDs reads the files for NewIDMap; a missing file counts as empty.
func readIDs(a Account) (uids, gids []byte) {
	files := [2]string{"/etc/subuid", "/etc/subgid"}
	if a.Root() {
		files = [2]string{"/proc/self/uid_map", "/proc/self/gid_map"}
	}
	uids, _ = os.ReadFile(files[0])
	gids, _ = os.ReadFile(files[1])
	return uids, gids
}
