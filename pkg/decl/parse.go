// SPDX-License-Identifier: MPL-2.0

package decl

import (
	"bytes"

	"github.com/carosio/carosbuild/pkg/decl/finding"
	"github.com/carosio/carosbuild/pkg/decl/xmltext"
)

// Source is one declaration file.
type Source struct {
	Name string   // as findings name it
	Dirs []string // relative sources of its stages are looked up here, the first wins
	Data []byte
}

// Texts gives the content of files by their names, for findings to show.
func Texts(files []Source) func(name string) ([]byte, bool) {
	return func(name string) ([]byte, bool) {
		for _, f := range files {
			if f.Name == name {
				return f.Data, true
			}
		}
		return nil, false
	}
}

// Parse reads the files in order and merges them: a stage, remote, layer or
// disk of a later file replaces the whole one of the same id or name at its
// place, the last base layer wins, and all local_conf fragments are kept. What
// one file refers to may be declared in any other.
//
// The declaration is never nil. It is complete and consistent unless
// Findings.HasErrors reports true.
func Parse(files ...Source) (*Declaration, finding.Findings) {
	rep := &xmltext.Report{}
	b := newBuilder(rep)
	for i, s := range files {
		root, complete := xmltext.Read(i, s.Name, s.Data, rep)
		if !complete {
			b.partial = true
		}
		b.addFile(s, root)
	}
	if !b.partial {
		b.checkReferences()
		b.checkCycles()
	}
	return b.decl, rep.Findings()
}

// StageText is the text of a stage as a declaration has it, from the indentation of
// its first line on; "" if it has no such stage.
func StageText(s Source, id string) string {
	root, _ := xmltext.Read(0, s.Name, s.Data, &xmltext.Report{})
	if root == nil {
		return ""
	}
	for _, n := range root.Kids {
		if n.Name == "buildstage" && n.Value("id") == id && n.End > 0 {
			indent := len(s.Data[:n.Start]) - len(bytes.TrimRight(s.Data[:n.Start], " \t"))
			return string(s.Data[n.Start-indent : n.End])
		}
	}
	return ""
}

// Base is the file that a declaration says it is based on, which is read before
// it, and the place where it says so. It is "" for none, and for what cannot be
// read that far: Parse says why.
func Base(s Source) (name string, at finding.Span) {
	root, _ := xmltext.Read(0, s.Name, s.Data, &xmltext.Report{})
	if root == nil || root.Name != rootName || root.Value("base") == "" {
		return "", finding.Span{}
	}
	return root.Value("base"), spanOf(root, "base")
}
