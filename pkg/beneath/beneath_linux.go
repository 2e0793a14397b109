// SPDX-License-Identifier: MPL-2.0

package beneath

import (
	"os"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// maxPath is how many bytes of a path go to the kernel at a time; it takes
// PATH_MAX, 4,096, with the final zero.
const maxPath = 4000

// Open opens a path below the directory root, "" for root itself, without
// following any link. The path may be of any length. Errors are those of
// openat2.
func Open(root int, rel string, flags int) (int, error) {
	if rel == "" {
		rel = "."
	}
	at := root
	for {
		head, rest := split(rel)
		f := flags
		if rest != "" {
			f = unix.O_PATH | unix.O_DIRECTORY
		}
		fd, err := openat(at, head, f)
		if at != root {
			unix.Close(at)
		}
		if err != nil || rest == "" {
			return fd, err
		}
		at, rel = fd, rest
	}
}

func openat(at int, rel string, flags int) (int, error) {
	how := unix.OpenHow{Flags: uint64(flags | unix.O_CLOEXEC), Resolve: unix.RESOLVE_BENEATH | unix.RESOLVE_NO_SYMLINKS}
	for {
		fd, err := unix.Openat2(at, rel, &how)
		if err != unix.EINTR && err != unix.EAGAIN {
			return fd, err
		}
	}
}

// split cuts off as much of a path as the kernel takes.
func split(rel string) (head, rest string) {
	if len(rel) <= maxPath {
		return rel, ""
	}
	i := strings.LastIndexByte(rel[:maxPath], '/')
	if i <= 0 {
		return rel, "" // one name, too long for the kernel
	}
	return rel[:i], rel[i+1:]
}

// OpenIn is Open below a directory that is named by its path.
func OpenIn(dir, rel string, flags int) (int, error) {
	d, err := unix.Open(dir, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return -1, err
	}
	defer unix.Close(d)
	return Open(d, rel, flags)
}

// Names lists an open directory in byte order.
func Names(fd int) ([]string, error) {
	dup, err := unix.Openat(fd, ".", unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	f := os.NewFile(uintptr(dup), ".")
	defer f.Close()
	names, err := f.Readdirnames(-1)
	slices.Sort(names)
	return names, err
}

// maxOpen is how many levels of a walk keep their directory open.
const maxOpen = 24

// Dir is a directory of a walk. Far from the root it is open only while it is
// used, and opened by its path when it is used again.
type Dir struct {
	root  int
	rel   string
	depth int
	fd    int // -1 while it is not open
}

// Root starts a walk at an open directory, which stays the caller's.
func Root(fd int) *Dir { return &Dir{root: fd, fd: fd} }

// Path is the directory's path below the root, "" for the root.
func (d *Dir) Path() string { return d.rel }

// Join is the path of a name in the directory.
func (d *Dir) Join(name string) string {
	if d.rel == "" {
		return name
	}
	return d.rel + "/" + name
}

// FD is a descriptor of the directory, opened for reading. It is valid until
// Rest or Close.
func (d *Dir) FD() (int, error) {
	if d.fd < 0 {
		fd, err := Open(d.root, d.rel, unix.O_RDONLY|unix.O_DIRECTORY)
		if err != nil {
			return -1, err
		}
		d.fd = fd
	}
	return d.fd, nil
}

// Enter opens a directory in d. It is an error when there is a link or a file.
func (d *Dir) Enter(name string) (*Dir, error) {
	fd, err := d.FD()
	if err != nil {
		return nil, err
	}
	sub, err := unix.Openat(fd, name, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	return &Dir{root: d.root, rel: d.Join(name), depth: d.depth + 1, fd: sub}, nil
}

// Rest says that d is not used for a while, since something below it is.
func (d *Dir) Rest() {
	if d.depth >= maxOpen {
		d.Close()
	}
}

// Close ends the use of the directory. One that is used again is opened again.
func (d *Dir) Close() {
	if d.depth > 0 && d.fd >= 0 {
		unix.Close(d.fd)
		d.fd = -1
	}
}

// MaxPath is a length of a path, below PATH_MAX of Linux, that the kernel takes as one.
const MaxPath = 4000
