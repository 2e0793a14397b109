// SPDX-License-Identifier: MPL-2.0

package offline

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io/fs"
	"path"
	"strings"
)

// A vendored folder has these parts:
//
//	vendor.json          the list of all other files
//	debian/MIRROR/       a part of a mirror: dists/SUITE/..., pool/...
//	git/NAME.bundle      commits of a repository
//	images/              an OCI layout
const (
	listName   = "vendor.json"
	debianName = "debian"
	gitName    = "git"
	imagesName = "images"
)

// formatVersion is that of the list.
const formatVersion = 1

// Bounds of what is read from a folder that may come from anywhere.
const (
	maxList  = 64 << 20 // bytes of the list
	maxFiles = 1 << 20
)

// list is the content of vendor.json.
type list struct {
	Version int         `json:"version"`
	Program string      `json:"program"` // version that wrote it
	Files   []file      `json:"files"`   // by path
	Images  []ImageName `json:"images"`  // what the images are, for people
	Git     []GitName   `json:"git"`
}

// file is a file of the folder.
type file struct {
	Path   string `json:"path"` // below the folder, with slashes
	Size   int64  `json:"size"`
	SHA256 string `json:"sha256"` // hexadecimal
}

// ImageName says what an image is.
type ImageName struct {
	Name   string `json:"name"`   // as a declaration has it
	Pinned string `json:"pinned"` // with its digest
}

// GitName says what a bundle has.
type GitName struct {
	File    string   `json:"file"` // below git/
	URL     string   `json:"url"`  // without user
	Commits []string `json:"commits"`
}

func isSum(s string) bool { return len(s) == 64 && strings.Trim(s, "0123456789abcdef") == "" }

// parseList reads a list and refuses names that lead out of the folder.
func parseList(data []byte) (*list, error) {
	var head struct{ Version int }
	if err := json.Unmarshal(data, &head); err != nil {
		return nil, err
	}
	if head.Version != formatVersion {
		return nil, fmt.Errorf("its format has version %d, but this program reads version %d", head.Version, formatVersion)
	}
	l := &list{}
	dec := json.NewDecoder(bytes.NewReader(data))
	if err := dec.Decode(l); err != nil {
		return nil, err
	}
	if len(l.Files) > maxFiles {
		return nil, fmt.Errorf("it lists %d files, more than %d", len(l.Files), maxFiles)
	}
	seen := map[string]bool{}
	for _, f := range l.Files {
		switch {
		case !fs.ValidPath(f.Path), f.Path == ".", strings.ContainsAny(f.Path, "\\\x00"), path.Clean(f.Path) != f.Path:
			return nil, fmt.Errorf("%q is not the name of a file below it", f.Path)
		case f.Path == listName, seen[f.Path]:
			return nil, fmt.Errorf("%q is listed twice", f.Path)
		case f.Size < 0, !isSum(f.SHA256):
			return nil, fmt.Errorf("size or digest of %q are not what they should be", f.Path)
		}
		seen[f.Path] = true
	}
	return l, nil
}
