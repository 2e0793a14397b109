// SPDX-License-Identifier: MPL-2.0

package vmdk_test

import (
	"bytes"
	"context"
	"fmt"

	"github.com/carosio/carosbuild/pkg/disk/image"
	"github.com/carosio/carosbuild/pkg/disk/vmdk"
)

// A disk of 1 GiB with a single non-zero byte is a stream of a few kilobytes, which
// can be written to a pipe.
func ExampleWriteStream() {
	disk, err := image.New(1<<30, []image.Extent{{Off: 512, Len: 1, Src: image.Bytes{'x'}}})
	check(err)
	var out bytes.Buffer
	check(vmdk.WriteStream(context.Background(), &out, disk, vmdk.Options{Name: "disk.vmdk"}))

	r, err := vmdk.Open(bytes.NewReader(out.Bytes()), int64(out.Len()))
	check(err)
	b := make([]byte, 2)
	_, err = r.ReadAt(b, 512)
	check(err)
	fmt.Printf("%d GiB, %q, less than 100 kB: %v\n", r.Size()>>30, b, out.Len() < 100e3)
	// Output: 1 GiB, "x\x00", less than 100 kB: true
}

func check(err error) {
	if err != nil {
		panic(err)
	}
}
