// SPDX-License-Identifier: MPL-2.0

package supervisor

import (
	"strings"

	"golang.org/x/sys/unix"

	"github.com/carosio/carosbuild/pkg/owner/record"
	"github.com/carosio/carosbuild/pkg/supervisor/creds"
)

// kept reports whether the supervisor keeps an attribute: capabilities, for which a caller
// needs a capability, and access control lists, whose ids the namespace does not have. The
// kernel refuses labels of security modules and trusted.*, as in any user namespace.
func kept(name string) bool { return name == "security.capability" || record.IsACL(name) }

// readAttr reads an attribute of a file; nil if it has none.
func readAttr(path, name string, link bool) ([]byte, error) {
	get := unix.Getxattr
	if link {
		get = unix.Lgetxattr
	}
	buf := make([]byte, 512)
	n, err := get(path, name, buf)
	if err == unix.ERANGE {
		buf = make([]byte, 1<<16)
		n, err = get(path, name, buf)
	}
	if err == unix.ENODATA || err == unix.ENOTSUP {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return buf[:n], nil
}

func (c *call) getxattr() answer {
	if record.Private(c.Attr) {
		return fails(unix.ENODATA)
	}
	if !kept(c.Attr) {
		return proceed
	}
	at, err := c.place(c.Target)
	if err != nil {
		return proceed
	}
	defer at.close()
	v, err := readAttr(at.path, record.FakePrefix+c.Attr, at.link)
	if err != nil || v == nil {
		return proceed
	}
	if record.IsACL(c.Attr) {
		stored, err := readAttr(at.path, c.Attr, at.link)
		if err != nil || stored == nil {
			return proceed
		}
		v = record.NamedACL(stored, v)
	}
	return c.put(v)
}

func (c *call) listxattr() answer {
	at, err := c.place(c.Target)
	if err != nil {
		return proceed
	}
	defer at.close()
	raw, err := record.List(at.path, at.link)
	if err != nil {
		return proceed
	}
	var out strings.Builder
	seen, changed := map[string]bool{}, false
	for _, r := range raw {
		name, ok := record.Shown(r)
		changed = changed || !ok || name != r
		if ok && !seen[name] {
			seen[name] = true
			out.WriteString(name + "\x00")
		}
	}
	if !changed {
		return proceed
	}
	return c.put([]byte(out.String()))
}

// mayChange reports whether the caller may set or remove an attribute other than user.*.
func (c *call) mayChange(fd int) error {
	need := creds.Admin
	switch {
	case c.Attr == "security.capability":
		need = creds.Setfcap
	case record.IsACL(c.Attr):
		need = creds.Fowner
		if o, _, err := c.sup.table.Of(fd); err != nil || o.UID == c.creds.User.FS {
			return err
		}
	}
	if !c.creds.Can(need) {
		return unix.EPERM
	}
	return nil
}

// setxattr sets an attribute in this process. The kernel would read the name again, and
// another thread of the step could have changed it to the name of a record meanwhile.
func (c *call) setxattr() answer {
	if record.Private(c.Attr) {
		return fails(unix.EPERM)
	}
	fd, err := c.open(c.Target)
	if err != nil {
		return fails(err)
	}
	defer unix.Close(fd)
	path, fake := fdPath(fd), record.FakePrefix+c.Attr
	if !kept(c.Attr) {
		return fails(unix.Setxattr(path, c.Attr, c.Value, int(c.Flags)))
	}
	if err := c.mayChange(fd); err != nil {
		return fails(err)
	}
	if !record.IsACL(c.Attr) {
		return fails(unix.Setxattr(path, c.Attr, c.Value, int(c.Flags)))
	}
	mapped, foreign := record.MappedACL(c.Value)
	if err := unix.Setxattr(path, c.Attr, mapped, int(c.Flags)); err != nil {
		return fails(err)
	}
	if foreign {
		return fails(unix.Setxattr(path, fake, c.Value, 0))
	}
	return fails(removeAttr(path, fake))
}

// removeAttr removes an attribute of user.*, if there is one. EPERM means that files of this
// kind have no such attributes.
func removeAttr(path, name string) error {
	if err := unix.Removexattr(path, name); err != unix.ENODATA && err != unix.ENOTSUP && err != unix.EPERM {
		return err
	}
	return nil
}

// removexattr removes an attribute in this process, see setxattr.
func (c *call) removexattr() answer {
	if record.Private(c.Attr) {
		return fails(unix.ENODATA)
	}
	fd, err := c.open(c.Target)
	if err != nil {
		return fails(err)
	}
	defer unix.Close(fd)
	if !kept(c.Attr) {
		return fails(unix.Removexattr(fdPath(fd), c.Attr))
	}
	if err := c.mayChange(fd); err != nil {
		return fails(err)
	}
	v, err := readAttr(fdPath(fd), record.FakePrefix+c.Attr, false)
	if err != nil {
		return fails(err)
	}
	if v != nil {
		if err := removeAttr(fdPath(fd), record.FakePrefix+c.Attr); err != nil || !record.IsACL(c.Attr) {
			return fails(err)
		}
	}
	return fails(unix.Removexattr(fdPath(fd), c.Attr))
}
