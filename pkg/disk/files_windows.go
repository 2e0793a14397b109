// SPDX-License-Identifier: MPL-2.0

package disk

import "os"

// Windows has no such flags.
const (
	nonblock = 0
	noTTY    = 0
)

// removeLeft removes an unfinished output that is not open: open ones cannot be
// removed.
func removeLeft(name string) { _ = os.Remove(name) }

// renameOpen closes an open file and renames it, since an open file cannot be
// renamed.
func renameOpen(f *os.File, from, to string) error {
	if err := f.Close(); err != nil {
		return err
	}
	return os.Rename(from, to)
}

// inDirectory returns nil: whether files can be created is known only when one is.
func inDirectory(string) error { return nil }

// fileIdentity identifies the file that a path leads to.
func fileIdentity(path string, _ targetKind) string { return path }
