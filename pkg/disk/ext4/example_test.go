// SPDX-License-Identifier: MPL-2.0

package ext4_test

import (
	"fmt"
	"strings"

	"github.com/carosio/carosbuild/pkg/disk/ext4"
	"github.com/carosio/carosbuild/pkg/disk/tree"
)

// A file system is an io.ReaderAt: nothing is written, and its bytes are computed
// when they are read. Here it is read by the package's own reader.
func ExampleBuild() {
	files := tree.NewBuilder(1700000000)
	text := "nameserver 192.0.2.1\n"
	err := files.Add(tree.Entry{Path: "etc/resolv.conf", Mode: tree.Regular | 0o644, Size: int64(len(text)), Content: strings.NewReader(text)})
	check(err)
	root, err := files.Tree()
	check(err)
	image, err := ext4.Build(root, ext4.Options{Size: 16 << 20, Label: "ROOT", Time: 1700000000})
	check(err)

	fs, err := ext4.Open(image, image.Size())
	check(err)
	got, err := fs.Tree()
	check(err)
	for _, e := range got.Entries {
		fmt.Printf("%o /%s %d\n", e.Mode, e.Path, e.Size)
	}
	// Output:
	// 40755 / 0
	// 40755 /etc 0
	// 100644 /etc/resolv.conf 21
	// 40700 /lost+found 0
}

func check(err error) {
	if err != nil {
		panic(err)
	}
}
