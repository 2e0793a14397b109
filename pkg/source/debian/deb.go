// This Source Code Form is subject to the terms of the Mozilla Public
// License, v. 2.0. If a copy of the MPL was not distributed with this
// file, You can obtain one at https://mozilla.org/MPL/2.0/.

package debian

import (
	"archive/tar"
	"bytes"
	"errors"
	"fmt"
	"io"
	"path"
	"regexp"
	"strings"

	"github.com/carosio/carosbuild/pkg/debfile"
)

// A .deb is an ar archive of three members in order: debian-binary,
// control.tar.*, data.tar.* (deb(5)).
type deb struct {
	control, data         []byte // compressed
	controlName, dataName string
}

// parseDeb finds the members of the archive in b, which it refers to.
func parseDeb(b []byte) (deb, error) {
	members, err := debfile.ReadAr(bytes.NewReader(b), int64(len(b)))
	if err != nil {
		return deb{}, err
	}
	var d deb
	for n, m := range members {
		name, member := m.Name, b[m.Offset:m.Offset+m.Size]
		switch {
		case n == 0:
			if name != "debian-binary" || !bytes.HasPrefix(member, []byte("2.")) {
				return deb{}, fmt.Errorf("not a .deb of format 2: member %q", name)
			}
		case strings.HasPrefix(name, "_"): // reserved for others' additions
		case strings.HasPrefix(name, "control.tar") && d.controlName == "" && d.dataName == "":
			d.controlName, d.control = name, member
		case strings.HasPrefix(name, "data.tar") && d.controlName != "" && d.dataName == "":
			d.dataName, d.data = name, member
		default:
			return deb{}, fmt.Errorf("member %q is not expected here", name)
		}
	}
	if d.dataName == "" {
		return deb{}, errors.New("lacks a control.tar or data.tar member")
	}
	return d, nil
}

// control is the content of control.tar.
type control struct {
	stanza  debfile.Stanza
	members []controlMember // all but "control", in the archive's order
}

type controlMember struct {
	name    string
	mode    uint32 // permission bits
	mtime   int64
	content []byte
}

const maxControl = 64 << 20 // bytes of all control members together

var memberRE = regexp.MustCompile(`^[a-z][a-z0-9-]*$`)

// readControl reads control.tar. "list" is dpkg's own name in the directory
// that the members go to.
func (d deb) readControl() (control, error) {
	r, err := debfile.Decompress(d.controlName, bytes.NewReader(d.control))
	if err != nil {
		return control{}, err
	}
	defer r.Close()
	limited := &io.LimitedReader{R: r, N: maxControl}
	var c control
	for t := tar.NewReader(limited); ; {
		h, err := t.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return control{}, fmt.Errorf("%s: %w", d.controlName, err)
		}
		name := path.Clean(h.Name)
		if name == "." && h.Typeflag == tar.TypeDir {
			continue
		}
		if h.Typeflag != tar.TypeReg || !memberRE.MatchString(name) || name == "list" {
			return control{}, fmt.Errorf("%s: member %q is not allowed", d.controlName, h.Name)
		}
		content, err := io.ReadAll(t)
		if err != nil {
			return control{}, fmt.Errorf("%s: %s: %w", d.controlName, name, err)
		}
		if name == "control" {
			if c.stanza, err = debfile.ParseStanza(string(content)); err != nil {
				return control{}, fmt.Errorf("%s: control: %w", d.controlName, err)
			}
			continue
		}
		c.members = append(c.members, controlMember{name, uint32(h.Mode) & 0o755, h.ModTime.Unix(), content})
	}
	if c.stanza == nil {
		return control{}, fmt.Errorf("%s: has no control file", d.controlName)
	}
	return c, nil
}

// member is the content of a control member; "" if there is none.
func (c control) member(name string) string {
	for _, m := range c.members {
		if m.name == name {
			return string(m.content)
		}
	}
	return ""
}

// conffile is a line of the control member conffiles.
type conffile struct {
	path string // absolute
	gone bool   // flag remove-on-upgrade: names a file that is not shipped any more
}

func (c control) conffiles() ([]conffile, error) {
	var out []conffile
	for _, line := range strings.Split(c.member("conffiles"), "\n") {
		line = strings.TrimSpace(line)
		if line == "" {
			continue
		}
		name, gone := strings.CutPrefix(line, "remove-on-upgrade ")
		if !path.IsAbs(name) || path.Clean(name) != name || name == "/" {
			return nil, fmt.Errorf("conffiles: %q is not a clean absolute path", line)
		}
		out = append(out, conffile{name, gone})
	}
	return out, nil
}
