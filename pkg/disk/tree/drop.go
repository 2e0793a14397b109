// SPDX-License-Identifier: MPL-2.0

package tree

// Drop is the Tree without the entries of these paths and what is below them. A
// hard link whose first name is dropped becomes the file.
func (t *Tree) Drop(paths map[string]bool) *Tree {
	if len(paths) == 0 {
		return t
	}
	gone := func(p string) bool {
		for ; p != ""; p, _ = split(p) {
			if paths[p] {
				return true
			}
		}
		return false
	}
	out := &Tree{Entries: make([]Entry, 0, len(t.Entries))}
	lost := map[string]Entry{}   // files whose first name is dropped
	moved := map[string]string{} // that name -> their first name now
	for _, e := range t.Entries {
		if gone(e.Path) {
			if e.Hardlink == "" {
				lost[e.Path] = e
			}
			continue
		}
		if file, ok := lost[e.Hardlink]; ok && e.Hardlink != "" {
			if to, ok := moved[e.Hardlink]; ok {
				e.Hardlink = to
			} else {
				moved[e.Hardlink] = e.Path
				file.Path = e.Path
				e = file
			}
		}
		out.Entries = append(out.Entries, e)
	}
	return out
}
