// SPDX-License-Identifier: MPL-2.0

package wks

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/carosio/carosbuild/pkg/decl"
	"github.com/carosio/carosbuild/pkg/decl/finding"
)

// Bounds of a kickstart file.
const (
	maxFileSize   = 1 << 20
	maxFiles      = 32
	maxPartitions = 128
)

// Options are the decisions that a file leaves to the build.
type Options struct {
	ID   string            // id of the disk
	Arch string            // Debian's name of the disk's architecture, for EFI programs; empty: amd64
	Vars map[string]string // values of ${NAME}
	// BIOS is the text of a stage that has the programs for <bios>, and BIOSStage
	// its id; empty: the disk's own stage has them.
	BIOS, BIOSStage string
	// Include reads a file that another one includes, given both names; nil: files
	// cannot be included.
	Include func(name, from string) (decl.Source, error)
}

// reader reads a file and the files that it includes.
type reader struct {
	Options
	finding.Collector
	sources    []decl.Source
	parts      []*command
	bootloader *command
}

// Read makes the text of a disk from a kickstart file. The text is nil if the
// findings include errors. sources are the file and those that it includes, for
// finding.Findings.Render.
func Read(src decl.Source, o Options) (xml []byte, sources []decl.Source, fs finding.Findings) {
	r := &reader{Options: o}
	r.file(src)
	if r.bootloader == nil {
		r.bootloader = &command{line: line{at: start(src.Name)}}
	}
	if len(r.parts) == 0 && !r.All.HasErrors() {
		r.Fail(start(src.Name), "", "there is no partition")
	}
	d := &disk{reader: r, origins: map[int]finding.Span{}}
	if len(r.parts) > 0 {
		d.write(src.Name)
	}
	if !r.All.HasErrors() {
		d.selfCheck()
	}
	slices.SortStableFunc(r.All, func(a, b finding.Finding) int {
		return cmp.Or(cmp.Compare(r.index(a), r.index(b)), cmp.Compare(a.Span.Line, b.Span.Line), cmp.Compare(a.Span.Col, b.Span.Col))
	})
	if r.All.HasErrors() {
		return nil, r.sources, r.All
	}
	return []byte(d.text.String()), r.sources, r.All
}

// index is the number of the file that a finding is in.
func (r *reader) index(f finding.Finding) int {
	return slices.IndexFunc(r.sources, func(s decl.Source) bool { return s.Name == f.Span.File })
}

func start(name string) finding.Span { return finding.Span{File: name, Line: 1, Col: 1, Len: 1} }

func (r *reader) file(src decl.Source) {
	r.sources = append(r.sources, src)
	switch {
	case len(src.Data) > maxFileSize:
		r.Fail(start(src.Name), "", "the file is larger than %d bytes", maxFileSize)
		return
	case !utf8.Valid(src.Data):
		r.Fail(start(src.Name), "", "the file is not UTF-8")
		return
	}
	r.lines(src, func(l line) {
		switch l.words[0].text {
		case "part", "partition":
			c := r.options(l, partOptions)
			if len(c.operands) > 1 {
				r.Fail(c.operands[1].at, "", "unexpected word %s", finding.Quote(c.operands[1].text))
			}
			if len(r.parts) == maxPartitions {
				r.Fail(l.at, "", "more than %d partitions", maxPartitions)
			}
			if len(r.parts) <= maxPartitions {
				r.parts = append(r.parts, c)
			}
		case "bootloader":
			if r.bootloader != nil {
				r.Fail(l.at, "", "a second bootloader")
				return
			}
			r.bootloader = r.options(l, bootloaderOptions)
			if len(r.bootloader.operands) > 0 {
				w := r.bootloader.operands[0]
				r.Fail(w.at, "", "unexpected word %s", finding.Quote(w.text))
			}
		case "include":
			r.include(l, src.Name)
		default:
			r.Fail(l.words[0].at, "the commands are part, bootloader and include", "command %s is not known", finding.Quote(l.words[0].text))
		}
	})
}

func (r *reader) include(l line, from string) {
	if len(l.words) != 2 {
		r.Fail(l.at, "", "include needs one file")
		return
	}
	name := l.words[1]
	err := errors.New("files cannot be included here")
	var src decl.Source
	if r.Include != nil {
		src, err = r.Include(name.text, from)
	}
	switch {
	case err != nil:
		r.Fail(name.at, "", "included file %s: %v", finding.Quote(name.text), err)
	case slices.ContainsFunc(r.sources, func(s decl.Source) bool { return s.Name == src.Name }):
		r.Fail(name.at, "", "%s is included twice", finding.Quote(name.text))
	case len(r.sources) >= maxFiles:
		r.Fail(name.at, "", "more than %d files", maxFiles)
	default:
		r.file(src)
	}
}

// efiNames are the names by which firmware calls an architecture, by Debian's
// names.
var efiNames = map[string]string{"amd64": "X64", "i386": "IA32", "arm64": "AA64", "armhf": "ARM", "armel": "ARM", "riscv64": "RISCV64", "loong64": "LOONGARCH64"}

// Arches are the architectures that have EFI programs, by Debian's names.
func Arches() []string { return slices.Sorted(maps.Keys(efiNames)) }

// efiName is the file name that an architecture's firmware looks for.
func (o Options) efiName() string {
	return "/EFI/BOOT/BOOT" + efiNames[cmp.Or(o.Arch, "amd64")] + ".EFI"
}

// name is a partition's name: the one it is given, or one made from its mount
// point.
func (r *reader) name(c *command, taken map[string]bool) string {
	name := c.value("--part-name")
	if name == "" && len(c.operands) > 0 {
		name = strings.Trim(strings.ReplaceAll(path.Clean(c.operands[0].text), "/", "-"), "-.")
		if path.Clean(c.operands[0].text) == "/" {
			name = "root"
		}
	}
	if name == "" {
		name = c.value("--label")
	}
	if name == "" {
		name = "part"
	}
	first := name
	for n := 2; taken[name]; n++ {
		name = fmt.Sprintf("%s-%d", first, n)
	}
	taken[name] = true
	return name
}
