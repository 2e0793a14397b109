// SPDX-License-Identifier: MPL-2.0

package decl

import (
	"bytes"

	"github.com/carosio/carosbuild/pkg/decl/finding"
	"github.com/carosio/carosbuild/pkg/decl/xmltext"
)

// Source is one declaration file.
type Source struct {
	Name string   // as findings call it
	Dirs []string // relative sources of its stages are looked up here, in order
	Data []byte
}

// Texts returns the contents of files by name, for findings to show.
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

// Parse reads the files in order and merges them: a stage, remote, layer or disk of
// a later file replaces the one with the same id or name as a whole, in its
// position, the last base layer wins, and all local_conf fragments are kept. A file
// may refer to what any other file declares.
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

// StageText is the text of a stage in the declaration, from the indentation of its
// first line on; "" if there is no such stage.
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

// Base is the file that a declaration is based on, which is read before it, and the
// place where the declaration says so. It is "" if there is none, and if the file
// cannot be read that far: Parse reports why.
func Base(s Source) (name string, at finding.Span) {
	root, _ := xmltext.Read(0, s.Name, s.Data, &xmltext.Report{})
	if root == nil || root.Name != rootName || root.Value("base") == "" {
		return "", finding.Span{}
	}
	return root.Value("base"), spanOf(root, "base")
}
