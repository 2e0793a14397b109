// SPDX-License-Identifier: MPL-2.0

package decl

import (
	"slices"
	"strings"

	"github.com/carosio/carosbuild/pkg/decl/xmltext"
)

func (b *builder) addArtifact(n *xmltext.Node) {
	a := Artifact{Stage: n.Value("stage"), Path: n.Value("path"), Name: n.Value("name"), Span: spanOf(n, "path")}
	b.resultRef(n)
	i := slices.IndexFunc(b.decl.Artifacts, func(old Artifact) bool { return old.Stage == a.Stage && old.Path == a.Path })
	b.decl.Artifacts = put(b.decl.Artifacts, i, a)
}

func (b *builder) addFeed(n *xmltext.Node) {
	f := Feed{Stage: n.Value("stage"), Path: n.Value("path"), Span: spanOf(n, "path")}
	b.resultRef(n)
	i := slices.IndexFunc(b.decl.Feeds, func(old Feed) bool { return old.Stage == f.Stage && old.Path == f.Path })
	b.decl.Feeds = put(b.decl.Feeds, i, f)
}

// resultRef notes the stage that an artifact or a feed is taken from.
func (b *builder) resultRef(n *xmltext.Node) {
	v := n.Value("stage")
	if v == "" {
		return
	}
	at := n.Attr("stage").Value.Trim().Place(0, len(v))
	b.results = append(b.results, ref{toStage, "<" + n.Name + "> is taken from stage", v, at, nil})
}

// checkArtifactName requires a path that stays below its directory.
func checkArtifactName(v string) *flaw {
	if strings.HasPrefix(v, "/") {
		return &flaw{text: "is an absolute path", hint: "the name is relative to the directory of results"}
	}
	for part := range strings.SplitSeq(strings.TrimSuffix(v, "/"), "/") {
		if part == "" || part == "." || part == ".." {
			return &flaw{text: "is not a name", hint: "parts between slashes are neither empty nor . nor .."}
		}
	}
	return checkOneLine(v)
}
