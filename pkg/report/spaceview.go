// SPDX-License-Identifier: MPL-2.0

package report

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/carosio/carosbuild/pkg/bytesize"
	"github.com/carosio/carosbuild/pkg/words"
)

type spaceView struct {
	Why                    string // it was not measured
	Stage, Total, Files    string
	Foreign                string // what no package has, "" for nothing
	Packages, Dirs         []mapView
	PackageTable, DirTable partsView
}

type mapView struct {
	Class, Label string
	Height       int
	Cells        []cellView
}

type cellView struct {
	X, Y, W, H               float64 // percent
	Title, Name, Size, Class string
}

type partsView struct {
	Head string
	Rows []partView
}

type partView struct{ Name, Files, Size, Share string }

// How many parts a map and a table have.
const (
	mostCells = 60
	mostRows  = 25
)

// leastShare is what a directory or a file has of the whole if it is a part of its own.
const leastShare = 0.006

// foreignName stands for the files that no package has.
const foreignName = "files of no package"

// sizes are those that maps are laid out for, in pixels: of a phone, and of a wider window,
// whose style sheet shows one of them.
var sizes = []struct {
	class         string
	width, height float64
}{{"narrow", 326, 440}, {"wide", 924, 400}}

func newSpaceView(s *Space, why string) *spaceView {
	if s == nil {
		return &spaceView{Why: clean(why)}
	}
	v := &spaceView{Stage: clean(s.Stage), Total: bytesize.Format(s.Total.Bytes), Files: words.Count(s.Total.Files, "file")}
	if len(s.Packages) > 0 {
		parts := firstParts(s.Packages, "%d smaller packages")
		groups := groupEach(parts)
		if f := s.Foreign; f.Bytes > 0 {
			f.Name, v.Foreign = foreignName, bytesize.Format(f.Bytes)
			parts = append(parts, f)
			slices.SortStableFunc(parts, largest)
			groups = append(groups, group{"none", s.ForeignDirs(leastShare), f.Bytes})
			sortGroups(groups)
		}
		v.PackageTable = newPartsView("Package", parts, s.Total.Bytes)
		v.Packages = maps("Space by package; what no package has, by directory", groups)
	}
	dirs := s.Dirs(leastShare)
	v.DirTable = newPartsView("Directory", dirs, s.Total.Bytes)
	v.Dirs = maps("Space by directory", groupDirs(dirs))
	return v
}

// firstParts are the largest, and the others as one.
func firstParts(all []Part, others string) []Part {
	if len(all) <= mostCells {
		return slices.Clone(all)
	}
	out := slices.Clone(all[:mostCells-1])
	rest := Part{Name: fmt.Sprintf(others, len(all)-len(out))}
	for _, p := range all[len(out):] {
		rest.Bytes, rest.Files = rest.Bytes+p.Bytes, rest.Files+p.Files
	}
	return append(out, rest)
}

// group is what is together in a map, in one colour.
type group struct {
	class string
	parts []Part
	bytes int64
}

const colours = 8

// groupEach is each part on its own.
func groupEach(parts []Part) []group {
	var out []group
	for i, p := range parts {
		out = append(out, group{fmt.Sprintf("g%d", i%colours), []Part{p}, p.Bytes})
	}
	return out
}

// groupDirs puts together what is below the same directory of the root, and of /usr.
func groupDirs(parts []Part) []group {
	var out []group
	at := map[string]int{}
	for _, p := range parts {
		names := strings.SplitN(strings.TrimPrefix(p.Name, "/"), "/", 3)
		top := names[0]
		if top == "usr" && len(names) > 1 {
			top += "/" + names[1]
		}
		i, ok := at[top]
		if !ok {
			i = len(out)
			at[top] = i
			out = append(out, group{class: fmt.Sprintf("g%d", i%colours)})
		}
		out[i].parts = append(out[i].parts, p)
		out[i].bytes += p.Bytes
	}
	sortGroups(out)
	return out
}

func sortGroups(all []group) {
	slices.SortStableFunc(all, func(a, b group) int { return cmp.Compare(b.bytes, a.bytes) })
}

// maps lays groups out for each of the sizes.
func maps(label string, groups []group) []mapView {
	var weights []float64
	total := int64(0)
	for _, g := range groups {
		weights = append(weights, float64(g.bytes))
		total += g.bytes
	}
	var out []mapView
	for _, size := range sizes {
		m := mapView{Class: size.class, Label: label, Height: int(size.height)}
		for i, r := range Treemap(weights, Rect{W: size.width, H: size.height}) {
			var inner []float64
			for _, p := range groups[i].parts {
				inner = append(inner, float64(p.Bytes))
			}
			for k, c := range Treemap(inner, r) {
				m.Cells = append(m.Cells, newCell(groups[i].parts[k], c, size.width, size.height, total, groups[i].class))
			}
		}
		out = append(out, m)
	}
	return out
}

// How large text is in a map, in pixels.
const (
	charWidth  = 6.6
	firstLine  = 19
	secondLine = 34
)

func newCell(p Part, r Rect, width, height float64, total int64, class string) cellView {
	name := clean(p.Name)
	c := cellView{
		X: percent(r.X, width), Y: percent(r.Y, height), W: percent(r.W, width), H: percent(r.H, height), Class: class,
		Title: fmt.Sprintf("%s: %s, %s", name, bytesize.Format(p.Bytes), share(p.Bytes, total)),
	}
	chars := int((r.W - 8) / charWidth)
	if r.H < firstLine || chars < 3 {
		return c
	}
	c.Name = fitted(name, chars)
	if size := bytesize.Format(p.Bytes); r.H >= secondLine && len(size) <= chars {
		c.Size = size
	}
	return c
}

// fitted is a name in at most so many characters: of a path the end, else the beginning.
func fitted(name string, most int) string {
	if utf8.RuneCountInString(name) <= most {
		return name
	}
	r := []rune(name)
	if r[0] != '/' {
		return string(r[:most-1]) + "…"
	}
	for i := 1; i < len(r); i++ {
		if r[i] == '/' && len(r)-i+1 <= most {
			return "…" + string(r[i:])
		}
	}
	r = []rune(name[strings.LastIndexByte(name, '/')+1:])
	return string(r[:min(len(r), most-1)]) + "…"
}

// percent has three digits behind the point, so that pages do not differ by rounding.
func percent(part, of float64) float64 { return float64(int64(part/of*100000+0.5)) / 1000 }

func share(part, of int64) string {
	if of <= 0 {
		return "0 %"
	}
	p := 100 * float64(part) / float64(of)
	if p < 10 {
		return fmt.Sprintf("%.1f %%", p)
	}
	return fmt.Sprintf("%.0f %%", p)
}

func newPartsView(head string, parts []Part, total int64) partsView {
	v := partsView{Head: head}
	for _, p := range parts[:min(len(parts), mostRows)] {
		v.Rows = append(v.Rows, partView{clean(p.Name), fmt.Sprint(p.Files), bytesize.Format(p.Bytes), share(p.Bytes, total)})
	}
	return v
}
