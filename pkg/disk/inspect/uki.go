// SPDX-License-Identifier: MPL-2.0

package inspect

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"path"
	"slices"
	"strings"

	"github.com/carosio/carosbuild/pkg/disk/damage"
	"github.com/carosio/carosbuild/pkg/disk/tree"
	"github.com/carosio/carosbuild/pkg/disk/uki"
)

// unifiedName is Boot.Name of unified kernel images.
const unifiedName = "unified kernel image"

// efiName reports whether a path, in lower case, is that of an EFI program.
func efiName(name string) bool {
	return strings.HasPrefix(strings.TrimPrefix(name, "boot/"), "efi/") && strings.HasSuffix(name, ".efi")
}

// unified is the content of a unified kernel image, or nil if the file is not one.
func unified(e *tree.Entry) *UKI {
	m, err := uki.Read(e.Content, e.Size)
	if err != nil || m.Open(".linux") == nil {
		return nil
	}
	u := &UKI{Release: line(m.Open(".uname")), Cmdline: line(m.Open(".cmdline"))}
	if u.Release == "" {
		linux := m.Open(".linux")
		b := Boot{}
		b.kernel(&tree.Entry{Size: linux.Size(), Content: linux}) // or it says nothing
		u.Release = b.Version
	}
	values := assignments(text(m.Open(".osrel")))
	u.OSID, u.OSVersion, u.OSName = clean(values["ID"]), clean(values["VERSION_ID"]), clean(values["PRETTY_NAME"])
	for _, p := range m.Parts {
		u.Sections = append(u.Sections, Section{Name: clean(p.Name), Size: p.Size})
	}
	return u
}

// text is the content of a text section, or "".
func text(r *io.SectionReader) string {
	if r == nil {
		return ""
	}
	b := make([]byte, min(r.Size(), maxText))
	n, _ := r.ReadAt(b, 0) // unreadable parts are left out
	b, _, _ = bytes.Cut(b[:n], []byte{0})
	return string(b)
}

// line is a text that the stub treats as one line.
func line(r *io.SectionReader) string {
	return clean(strings.Join(strings.Fields(text(r)), " "))
}

// checkUKIs checks unified kernel images: files in EFI/Linux have to be images
// (Boot Loader Specification, Type #2), and files elsewhere are checked if they
// look like one.
func (d *Disk) checkUKIs(ctx context.Context) []damage.Problem {
	var out []damage.Problem
	tries := 0
	for _, v := range d.volumes {
		t := v.files()
		for i := 0; t != nil && i < len(t.Entries) && ctx.Err() == nil; i++ {
			e := &t.Entries[i]
			if name := strings.ToLower(e.Path); !efiName(name) || e.Type() != tree.Regular || e.Hardlink != "" {
				continue
			}
			if tries++; tries > maxFiles {
				return append(out, damage.Problem{Where: v.String(), Text: fmt.Sprintf("programs for UEFI: only the first %d were looked at", maxFiles)})
			}
			out = append(out, damage.In(v.String(), damage.In("/"+e.Path, checkUKI(e)))...)
		}
	}
	return out
}

// checkUKI checks a file, unless it is some other program.
func checkUKI(e *tree.Entry) []damage.Problem {
	m, err := uki.Read(e.Content, e.Size)
	dir := strings.TrimPrefix(strings.ToLower(path.Dir(e.Path)), "boot/")
	switch {
	case dir == "efi/linux":
	case err != nil: // then by its texts
		if b := (Boot{}); !b.efi(head(e, maxLoader)) || b.Name != unifiedName {
			return nil
		}
	case m.Open(".linux") == nil:
		return nil
	}
	if err != nil {
		return []damage.Problem{{Where: "headers", Text: err.Error()}}
	}
	return m.Check()
}

// unified names the sections in which two unified kernel images differ. If several
// have the same name (Unified Kernel Image Specification, multi-profile images),
// each is compared with the one at the same position among them. For other files it
// returns nothing.
func (c *comparer) unified(ctx context.Context, a, b *tree.Entry) error {
	if !efiName(strings.ToLower(a.Path)) || a.Size == 0 || b.Size == 0 {
		return nil
	}
	m, err1 := uki.Read(a.Content, a.Size)
	n, err2 := uki.Read(b.Content, b.Size)
	if err1 != nil || err2 != nil || m.Open(".linux") == nil || n.Open(".linux") == nil {
		return nil
	}
	names, ours, theirs := byName(m, n)
	budget := min(a.Size, b.Size) // sections may overlap, and there may be many
	for _, name := range names {
		r, s := ours[name], theirs[name]
		if r != nil && s != nil && r.Size() == s.Size() {
			if budget -= r.Size(); budget < 0 {
				return nil
			}
		}
		if err := c.section(ctx, name, r, s); err != nil {
			return err
		}
	}
	return nil
}

// byName returns the contents of the sections of two images by name, and the sorted
// names. The second with the same name is called "NAME 2", and so on.
func byName(m, n *uki.Image) (names []string, ours, theirs map[string]*io.SectionReader) {
	list := func(m *uki.Image) map[string]*io.SectionReader {
		out, seen := map[string]*io.SectionReader{}, map[string]int{}
		for _, p := range m.Parts {
			name := p.Name
			if seen[p.Name]++; seen[p.Name] > 1 {
				name = fmt.Sprintf("%s %d", p.Name, seen[p.Name])
			}
			out[name] = m.Content(p)
			if !slices.Contains(names, name) {
				names = append(names, name)
			}
		}
		return out
	}
	ours = list(m)
	theirs = list(n)
	return names, ours, theirs
}

// section compares a section: texts of one line as texts, others by their sizes
// and, if these are equal, by their bytes. A missing section is nil.
func (c *comparer) section(ctx context.Context, name string, a, b *io.SectionReader) error {
	what := "section " + clean(name)
	kind, _, _ := strings.Cut(name, " ")
	switch {
	case a == nil:
		c.value(what, "", fmt.Sprintf("%d bytes", b.Size()))
	case b == nil:
		c.value(what, fmt.Sprintf("%d bytes", a.Size()), "")
	case (kind == ".cmdline" || kind == ".uname") && line(a) != line(b):
		c.value(what, line(a), line(b))
	case a.Size() != b.Size():
		c.value(what, fmt.Sprintf("%d bytes", a.Size()), fmt.Sprintf("%d bytes", b.Size()))
	default:
		same, err := c.same(ctx, a, b, a.Size())
		if err == nil && !same {
			c.emit(Difference{Partition: c.part, Path: c.path, What: what})
		}
		return err
	}
	return nil
}
