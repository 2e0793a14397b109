// SPDX-License-Identifier: MPL-2.0

package vm

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"runtime"
	"slices"
	"strings"
	"sync/atomic"

	"golang.org/x/sys/unix"

	"github.com/carosio/carosbuild/pkg/disk/tree"
	"github.com/carosio/carosbuild/pkg/owner"
	"github.com/carosio/carosbuild/pkg/sandbox"
	"github.com/carosio/carosbuild/pkg/vm/cow"
	"github.com/carosio/carosbuild/pkg/vm/delta"
	"github.com/carosio/carosbuild/pkg/vm/guest"
	"github.com/carosio/carosbuild/pkg/vm/roots"
	"github.com/carosio/carosbuild/pkg/vm/wire"
)

// Sandbox implements engine.Sandbox with a machine for each command, with two differences.
// A command's changes to its root and its mounts appear there once it has ended with any
// status, and it does not see what others change meanwhile. A command that is killed leaves
// no changes.
type Sandbox struct {
	Machine *Machine
	Scratch string // directory for what machines write, while they are used
	// Table, unless nil, returns the table with the metadata of a root; nil: the kernel has it.
	Table func(root string) *owner.Table

	forward atomic.Uint32 // port on the loopback that commands can reach, 0 for none
}

// Forward lets commands that have a network reach a TCP port on this machine's loopback, and
// returns its address for them. They can reach only one port, the latest.
func (s *Sandbox) Forward(port uint16) netip.AddrPort {
	s.forward.Store(uint32(port))
	return netip.AddrPortFrom(netip.AddrFrom4(guest.Gateway()), port)
}

// Emulate checks that programs of an architecture run in the machines.
func (s *Sandbox) Emulate(_ context.Context, arch string) error {
	_, err := s.Machine.initrdFile(foreign(arch))
	return err
}

// foreign returns an architecture if it has to be emulated, otherwise "".
func foreign(arch string) string {
	if arch == runtime.GOARCH {
		return ""
	}
	return arch
}

// Run runs a command in a directory.
func (s *Sandbox) Run(ctx context.Context, c sandbox.Command) (status int, err error) {
	t, closeRoot, apply, err := s.directory(ctx, c.Root)
	if err != nil {
		return 0, err
	}
	d, err := NewDisk(t, s.Scratch)
	if err != nil {
		return 0, errors.Join(err, closeRoot())
	}
	defer func() { err = errors.Join(err, d.Close(), closeRoot()) }()
	return s.run(ctx, c, d, func(r wire.Result) error {
		revert := map[string]bool{}
		for _, p := range r.Revert {
			revert[p] = true
		}
		changes, err := d.Changes(ctx, revert)
		if err != nil {
			return err
		}
		return delta.Apply(ctx, c.Root, changes, apply)
	})
}

// directory reads a root that is a directory, and says how to apply changes to it.
func (s *Sandbox) directory(ctx context.Context, root string) (*tree.Tree, func() error, delta.ApplyOptions, error) {
	if s.Table != nil {
		if table := s.Table(root); table != nil {
			t, done, err := roots.Read(ctx, root, table)
			return t, done, delta.ApplyOptions{Metadata: table, Staging: s.Scratch}, err
		}
	}
	owners := hostOwners()
	t, done, err := directory(ctx, root, owners)
	return t, done, delta.ApplyOptions{Owner: owners.chown, Staging: s.Scratch}, err
}

// run runs a command on a disk. Done is called after the command has ended, before the
// changes in its mounts are written back.
func (s *Sandbox) run(ctx context.Context, c sandbox.Command, root *Disk, done func(wire.Result) error) (status int, err error) {
	m, err := openMounts(ctx, c, s.Scratch)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, m.close()) }()
	res, err := s.Machine.Run(ctx, Job{
		Root: root.Device(), Mounts: m.device(), Stdin: c.Stdin, Stdout: c.Stdout, Stderr: c.Stderr,
		Request: wire.Request{
			Args: c.Args, Env: c.Env, Cwd: c.Cwd, UID: c.UID, GID: c.GID, Groups: c.Groups, Mounts: m.wire,
			Network: c.Network != sandbox.NoNetwork, Terminal: c.Terminal, Hostname: sandbox.Hostname,
			Emulate: foreign(c.Arch), Plant: true, Memory: c.Limits.Memory, PIDs: c.Limits.PIDs,
			Forward: uint16(s.forward.Load()),
		},
	})
	if err != nil {
		return 0, err
	}
	if err := done(res); err != nil {
		return 0, err
	}
	if err := m.writeBack(ctx, s.Scratch); err != nil || res.Over == "" {
		return res.Status, err
	}
	return sandbox.EndedByLimit(c.Stderr, res.Over)
}

// owners maps the owners of a host directory for its command: what belongs to this account,
// uid and gid, belongs to user and group.
type owners struct{ uid, gid, user, group uint32 }

func hostOwners() owners { return owners{uid: uint32(os.Geteuid()), gid: uint32(os.Getegid())} }

func (o owners) inside(t *tree.Tree) *tree.Tree {
	if o == (owners{}) {
		return t
	}
	for i := range t.Entries {
		e := &t.Entries[i]
		if e.UID == o.uid {
			e.UID = o.user
		}
		if e.GID == o.gid {
			e.GID = o.group
		}
	}
	return t
}

// chown sets owners in a root, where they have to be right.
func (o owners) chown(dir int, name string, uid, gid uint32) error {
	if uid == 0 {
		uid = o.uid
	}
	if gid == 0 {
		gid = o.gid
	}
	if name == "." {
		return nil
	}
	if err := unix.Fchownat(dir, name, int(uid), int(gid), unix.AT_SYMLINK_NOFOLLOW); err != nil {
		return fmt.Errorf("owner %d:%d: %w", uid, gid, err)
	}
	return nil
}

// directory reads a host directory as a tree.
func directory(ctx context.Context, name string, o owners) (*tree.Tree, func() error, error) {
	src, err := tree.OpenDir(name)
	if err != nil {
		return nil, nil, err
	}
	t, err := src.Read(ctx, 0, runtime.GOMAXPROCS(0))
	if err != nil {
		return nil, nil, errors.Join(err, src.Close())
	}
	return o.inside(t), src.Close, nil
}

// below returns the changes below a directory, with paths relative to it.
func below(top string, changes []delta.Change) (out []delta.Change) {
	for _, c := range changes {
		rel, ok := strings.CutPrefix(c.Path+"/", top+"/")
		if !ok {
			continue
		}
		c.Path = strings.Trim(rel, "/")
		if c.Entry != nil {
			c.Entry.Path = c.Path
			c.Entry.Hardlink = strings.TrimPrefix(c.Entry.Hardlink, top+"/")
		}
		out = append(out, c)
	}
	return out
}

// mounts are the host directories and files that a command sees, on a disk of their own: each
// in a directory, a file as the only file in it.
type mounts struct {
	from   []sandbox.Mount
	file   []string // name of the file, "" for a directory
	wire   []wire.Mount
	disk   *Disk // nil without mounts
	closes []func() error
}

func openMounts(ctx context.Context, c sandbox.Command, scratch string) (m *mounts, err error) {
	m = &mounts{from: c.Mounts}
	if len(c.Mounts) == 0 {
		return m, nil
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, m.close())
		}
	}()
	all := &tree.Tree{Entries: []tree.Entry{{Mode: tree.Dir | 0o755}}}
	for i, mount := range c.Mounts {
		own := hostOwners()
		if !mount.ReadOnly { // writable mounts belong to the command's user
			own.user, own.group = c.UID, c.GID
		}
		t, file, err := m.read(ctx, mount.Source, own)
		if err != nil {
			return m, fmt.Errorf("mount on %s: %w", mount.Target, err)
		}
		top := mountTop(i)
		all.Entries = append(all.Entries, within(top, t).Entries[1:]...)
		m.file = append(m.file, file)
		m.wire = append(m.wire, wire.Mount{Source: strings.TrimSuffix(top+"/"+file, "/"), Target: mount.Target, ReadOnly: mount.ReadOnly})
	}
	m.disk, err = NewDisk(all, scratch)
	return m, err
}

// mountTop is the directory of mount i; the names sort in order.
func mountTop(i int) string { return fmt.Sprintf("%06d", i) }

// read returns a directory as a tree, or a tree with one file and the file's name.
func (m *mounts) read(ctx context.Context, source string, own owners) (*tree.Tree, string, error) {
	st, err := os.Stat(source)
	if err != nil {
		return nil, "", err
	}
	if st.IsDir() {
		t, done, err := directory(ctx, source, own)
		if err != nil {
			return nil, "", err
		}
		m.closes = append(m.closes, done)
		return t, "", nil
	}
	if !st.Mode().IsRegular() {
		return nil, "", fmt.Errorf("%s is neither a directory nor a file", source)
	}
	f, err := os.Open(source)
	if err != nil {
		return nil, "", err
	}
	m.closes = append(m.closes, f.Close)
	const name = "file"
	return &tree.Tree{Entries: []tree.Entry{{Mode: tree.Dir | 0o755}, {
		Path: name, Mode: tree.Regular | uint32(st.Mode().Perm()), UID: own.user, GID: own.group, Size: st.Size(), Content: f,
		Mtime: st.ModTime().Unix(), MtimeNsec: int32(st.ModTime().Nanosecond()),
	}}}, name, nil
}

func (m *mounts) device() *cow.Device {
	if m.disk == nil {
		return nil
	}
	return m.disk.Device()
}

// writeBack writes changes to the directories and files. Everything belongs to this account
// then, which may not be able to give files away.
func (m *mounts) writeBack(ctx context.Context, scratch string) error {
	if !slices.ContainsFunc(m.from, func(x sandbox.Mount) bool { return !x.ReadOnly }) {
		return nil
	}
	changes, err := m.disk.Changes(ctx, nil)
	if err != nil {
		return err
	}
	for i, mount := range m.from {
		here := below(mountTop(i), changes)
		switch {
		case mount.ReadOnly || len(here) == 0:
		case m.file[i] == "":
			err = delta.Apply(ctx, mount.Source, here, delta.ApplyOptions{Staging: scratch})
		default:
			err = writeFile(here, m.file[i], mount.Source)
		}
		if err != nil {
			return fmt.Errorf("mount on %s: %w", mount.Target, err)
		}
	}
	return nil
}

// writeFile writes the new content of a file that is a mount.
func writeFile(changes []delta.Change, name, to string) error {
	i := slices.IndexFunc(changes, func(c delta.Change) bool { return c.Path == name && !c.Removed })
	if i < 0 {
		return nil
	}
	data, err := contentOf(changes[i].Entry)
	if err != nil {
		return err
	}
	f, err := os.OpenFile(to, os.O_WRONLY|os.O_TRUNC, 0)
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	return errors.Join(err, f.Close())
}

func (m *mounts) close() error {
	var errs []error
	if m.disk != nil {
		errs = append(errs, m.disk.Close())
	}
	for _, c := range m.closes {
		errs = append(errs, c())
	}
	return errors.Join(errs...)
}
