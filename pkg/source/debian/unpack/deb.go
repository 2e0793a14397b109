// SPDX-License-Identifier: MPL-2.0

package unpack

import (
	"archive/tar"
	"bytes"
	"errors"
	"fmt"
	"io"
	"path"
	"strings"

	"github.com/carosio/carosbuild/pkg/debfile"
	"github.com/carosio/carosbuild/pkg/lazyregexp"
)

// deb is a .deb in memory: its control.tar and data.tar (deb(5)).
type deb struct {
	control, data         []byte // compressed
	controlName, dataName string
}

// parseDeb finds the members of the archive in b. The result refers to b.
func parseDeb(b []byte) (deb, error) {
	f, err := debfile.OpenDeb(bytes.NewReader(b), int64(len(b)), debfile.DefaultLimits())
	if err != nil {
		return deb{}, err
	}
	c, d := f.Members()
	return deb{
		controlName: c.Name, control: b[c.Offset : c.Offset+c.Size],
		dataName: d.Name, data: b[d.Offset : d.Offset+d.Size],
	}, nil
}

// control is the content of control.tar.
type control struct {
	stanza  debfile.Stanza
	members []controlMember // all except "control", in the archive's order
}

type controlMember struct {
	name    string
	mode    uint32 // permission bits
	mtime   int64
	content []byte
}

const maxControl = 64 << 20 // bytes of all control members together

var memberRE = lazyregexp.New(`^[a-z][a-z0-9-]*$`)

// readControl reads control.tar. A member "list" is refused, because dpkg itself
// uses that name in the members' directory.
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
		if h.Typeflag != tar.TypeReg || !memberRE().MatchString(name) || name == "list" {
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

// member is the content of a control member, or "" if there is none.
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
	gone bool   // flag remove-on-upgrade: names a file that is no longer shipped
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
