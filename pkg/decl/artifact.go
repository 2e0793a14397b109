// SPDX-License-Identifier: MPL-2.0

package decl

import (
	"slices"
	"strings"
)

func (b *builder) addArtifact(n *node) {
	a := Artifact{Stage: n.value("stage"), Path: n.value("path"), Name: n.value("name"), Span: spanOf(n, "path")}
	b.resultRef(n)
	i := slices.IndexFunc(b.decl.Artifacts, func(old Artifact) bool { return old.Stage == a.Stage && old.Path == a.Path })
	b.decl.Artifacts = put(b.decl.Artifacts, i, a)
}

func (b *builder) addFeed(n *node) {
	f := Feed{Stage: n.value("stage"), Path: n.value("path"), Span: spanOf(n, "path")}
	b.resultRef(n)
	i := slices.IndexFunc(b.decl.Feeds, func(old Feed) bool { return old.Stage == f.Stage && old.Path == f.Path })
	b.decl.Feeds = put(b.decl.Feeds, i, f)
}

// resultRef notes the stage that an artifact or a feed is taken from.
func (b *builder) resultRef(n *node) {
	v := n.value("stage")
	if v == "" {
		return
	}
	at := n.attr("stage").value.trim().place(0, len(v))
	b.results = append(b.results, ref{toStage, "<" + n.name + "> is taken from stage", v, at, nil})
}

// checkArtifactName requires a path that stays below the directory
// that it is in.
func checkArtifactName(v string) *flaw {
	if strings.HasPrefix(v, "/") {
		return &flaw{text: "is an absolute path", hint: "it is a name below the directory of results"}
	}
	for part := range strings.SplitSeq(strings.TrimSuffix(v, "/"), "/") {
		if part == "" || part == "." || part == ".." {
			return &flaw{text: "is not a name", hint: "parts between slashes are neither empty nor . nor .."}
		}
	}
	return checkOneLine(v)
}
