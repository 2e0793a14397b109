// SPDX-License-Identifier: MPL-2.0

package owner

import (
	"bytes"
	"fmt"
	"strings"

	"golang.org/x/sys/unix"
)

// Look implements Policy.
func (Kernel) Look(dir int, name string) (unix.Stat_t, map[string][]byte, error) {
	return look(Kernel{}, dir, name)
}

// Look implements Policy.
func (r *Recorded) Look(dir int, name string) (unix.Stat_t, map[string][]byte, error) {
	return look(r, dir, name)
}

// Look implements Policy.
func (Own) Look(dir int, name string) (unix.Stat_t, map[string][]byte, error) {
	return look(Own{}, dir, name)
}

// look is Look of a policy that keeps what it knows with the file.
func look(p Policy, dir int, name string) (unix.Stat_t, map[string][]byte, error) {
	st, err := p.Stat(dir, name)
	if err != nil {
		return st, nil, err
	}
	path, list, get := pathOf(dir, name), unix.Llistxattr, unix.Lgetxattr
	if name == "" { // a link of procfs to what is meant
		list, get = unix.Listxattr, unix.Getxattr
	}
	buf := make([]byte, 64<<10)
	n, err := list(path, buf)
	if err == unix.ENOTSUP || n == 0 && err == nil {
		return st, nil, nil
	}
	if err != nil {
		return st, nil, fmt.Errorf("list attributes: %w", err)
	}
	attrs, value := map[string][]byte{}, make([]byte, 64<<10)
	for attr := range strings.SplitSeq(strings.TrimSuffix(string(buf[:n]), "\x00"), "\x00") {
		if p.Own(attr) {
			continue
		}
		k, err := get(path, attr, value)
		if err != nil {
			return st, nil, fmt.Errorf("attribute %s: %w", attr, err)
		}
		shown, err := p.Xattr(path, attr, value[:k])
		if err != nil {
			return st, nil, fmt.Errorf("attribute %s: %w", attr, err)
		}
		attrs[attr] = bytes.Clone(shown)
	}
	return st, attrs, nil
}
