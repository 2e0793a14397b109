// SPDX-License-Identifier: MPL-2.0

package ocitest

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"
)

// SampleArchive is the image of SampleLayout as docker save writes it.
func SampleArchive(t *testing.T, streams [][]byte, packed bool) string {
	t.Helper()
	cfg := &v1.ConfigFile{Architecture: "amd64", OS: "linux", RootFS: v1.RootFS{Type: "layers"}}
	var files []Member
	var names []string
	for i, s := range streams {
		h, _, err := v1.SHA256(bytes.NewReader(s))
		if err != nil {
			t.Fatal(err)
		}
		cfg.RootFS.DiffIDs = append(cfg.RootFS.DiffIDs, h)
		if packed {
			var z bytes.Buffer
			w := gzip.NewWriter(&z)
			if _, err := w.Write(s); err != nil {
				t.Fatal(err)
			}
			if err := w.Close(); err != nil {
				t.Fatal(err)
			}
			s = z.Bytes()
		}
		names = append(names, string(rune('0'+i))+".tar")
		files = append(files, Reg(names[i], string(s)))
	}
	config, err := json.Marshal(cfg)
	if err != nil {
		t.Fatal(err)
	}
	manifest, err := json.Marshal([]any{map[string]any{"Config": "config.json", "RepoTags": []string{"x:1"}, "Layers": names}})
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "image.tar")
	if err := os.WriteFile(file, MakeTar(t, append(files, Reg("config.json", string(config)), Reg("manifest.json", string(manifest)))...), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// Archive is an archive of docker save.
type Archive struct {
	T     *testing.T
	docs  []map[string]any
	files bytes.Buffer
	w     *tar.Writer
}

// File adds a file to the archive.
func (a *Archive) File(name string, content []byte) {
	a.T.Helper()
	if a.w == nil {
		a.w = tar.NewWriter(&a.files)
	}
	err := a.w.WriteHeader(&tar.Header{Name: name, Size: int64(len(content)), Mode: 0o644})
	if err == nil {
		_, err = a.w.Write(content)
	}
	if err != nil {
		a.T.Fatal(err)
	}
}

// Image adds an image with one layer, which has the given content.
func (a *Archive) Image(p v1.Platform, content string, tags ...string) {
	a.T.Helper()
	layer := MakeTar(a.T, Reg("f", content))
	h, _, err := v1.SHA256(bytes.NewReader(layer))
	if err != nil {
		a.T.Fatal(err)
	}
	config, err := json.Marshal(v1.ConfigFile{OS: p.OS, Architecture: p.Architecture, Variant: p.Variant, RootFS: v1.RootFS{Type: "layers", DiffIDs: []v1.Hash{h}}})
	if err != nil {
		a.T.Fatal(err)
	}
	name := fmt.Sprint(len(a.docs))
	a.File(name+".tar", layer)
	a.File(name+".json", config)
	a.docs = append(a.docs, map[string]any{"Config": name + ".json", "RepoTags": tags, "Layers": []string{name + ".tar"}})
}

// Write writes the archive into a directory of the test.
func (a *Archive) Write(name string) string {
	a.T.Helper()
	doc, err := json.Marshal(a.docs)
	if err != nil {
		a.T.Fatal(err)
	}
	a.File("manifest.json", doc)
	file := filepath.Join(a.T.TempDir(), name)
	if err := os.WriteFile(file, a.files.Bytes(), 0o600); err != nil {
		a.T.Fatal(err)
	}
	return file
}
