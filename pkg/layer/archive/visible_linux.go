// SPDX-License-Identifier: MPL-2.0

package archive

import (
	"fmt"

	"golang.org/x/sys/unix"

	"github.com/carosio/carosbuild/pkg/beneath"
)

// visible is a directory of merged layers, as an overlay mount would show it. The zero
// value is a directory that no layer has.
type visible struct {
	format Format
	rel    string
	in     []string // the layers whose directories are merged, top first
	fds    []int    // of the directory in each of these layers; nil while closed
}

// found is a name in a visible directory.
type found struct {
	st    unix.Stat_t
	layer int // index of in
}

// visibleRoot is the root directory of layers, top first.
func visibleRoot(lowers []string, f Format) *visible {
	return &visible{format: f, in: lowers}
}

// open opens the directory in all layers.
func (v *visible) open() error {
	if v.fds != nil {
		return nil
	}
	for _, dir := range v.in {
		fd, err := openBeneath(dir, v.rel, unix.O_PATH|unix.O_DIRECTORY)
		if err != nil {
			v.rest()
			return fmt.Errorf("open %s in the layers below: %w", shown(v.rel), err)
		}
		v.fds = append(v.fds, fd)
	}
	return nil
}

// rest closes the descriptors of open, until the directory is used again.
func (v *visible) rest() {
	for _, fd := range v.fds {
		unix.Close(fd)
	}
	v.fds = nil
}

// lookup finds a name, unless it is a whiteout.
func (v *visible) lookup(name string) (found, bool, error) {
	if err := v.open(); err != nil {
		return found{}, false, err
	}
	for i, fd := range v.fds {
		st, err := StatAt(fd, name, v.format)
		switch {
		case err == unix.ENOENT:
			continue
		case err != nil:
			return found{}, false, fmt.Errorf("read %s in the layers below: %w", shown(v.join(name)), err)
		}
		return found{st, i}, !isWhiteout(&st), nil
	}
	return found{}, false, nil
}

func (v *visible) join(name string) string {
	if v.rel == "" {
		return name
	}
	return v.rel + "/" + name
}

// enter returns the directory of that name, empty if there is none. The caller calls rest.
func (v *visible) enter(name string) (*visible, error) {
	sub := &visible{format: v.format, rel: v.join(name)}
	f, ok, err := v.lookup(name)
	if err != nil || !ok || f.st.Mode&unix.S_IFMT != unix.S_IFDIR {
		return sub, err
	}
	for i := f.layer; i < len(v.fds); i++ {
		fd, err := unix.Openat(v.fds[i], name, unix.O_PATH|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
		if err == unix.ENOENT {
			continue
		}
		var st unix.Stat_t
		if err == nil {
			err = unix.Fstat(fd, &st)
		}
		if err != nil {
			sub.rest()
			return nil, fmt.Errorf("read %s in the layers below: %w", shown(sub.rel), err)
		}
		if st.Mode&unix.S_IFMT != unix.S_IFDIR {
			unix.Close(fd)
			break
		}
		sub.in, sub.fds = append(sub.in, v.in[i]), append(sub.fds, fd)
		if isOpaque(fd, v.format.Prefix) {
			break
		}
	}
	return sub, nil
}

// empty reports whether no layer has the directory.
func (v *visible) empty() bool { return len(v.in) == 0 }

// names returns the names in the directory, each with its layer.
func (v *visible) names() (map[string]found, error) {
	if err := v.open(); err != nil {
		return nil, err
	}
	out := map[string]found{}
	hidden := map[string]bool{}
	for i, fd := range v.fds {
		names, err := beneath.Names(fd)
		if err != nil {
			return nil, fmt.Errorf("list %s in the layers below: %w", shown(v.rel), err)
		}
		for _, name := range names {
			if _, ok := out[name]; ok || hidden[name] {
				continue
			}
			st, err := StatAt(fd, name, v.format)
			if err != nil {
				return nil, fmt.Errorf("read %s in the layers below: %w", shown(v.join(name)), err)
			}
			if isWhiteout(&st) {
				hidden[name] = true
				continue
			}
			out[name] = found{st, i}
		}
	}
	return out, nil
}

// stat stats the directory itself, in its topmost layer.
func (v *visible) stat() (fd int, st unix.Stat_t, err error) {
	if err := v.open(); err != nil {
		return -1, st, err
	}
	st, err = v.format.stat(v.fds[0])
	return v.fds[0], st, err
}
