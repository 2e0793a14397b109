// SPDX-License-Identifier: MPL-2.0

package disk

import (
	"errors"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/carosio/carosbuild/pkg/disk/image"
	"github.com/carosio/carosbuild/pkg/disk/ova"
)

// TestOVA writes an appliance and reads its disk back.
func TestOVA(t *testing.T) {
	noise := make([]byte, 2*streamBuffer+12345) // does not fit into the buffer, compressed or not
	_, _ = rand.NewChaCha8([32]byte{}).Read(noise)
	m, err := image.New(20*mib, []image.Extent{{Off: 2 * mib, Len: 3 * mib, Src: endless{}}, {Off: 6 * mib, Len: int64(len(noise)), Src: image.Bytes(noise)}})
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "caros.OVA")
	vm := &ova.VM{Product: "CarOS", NICs: 2, DataDisks: []int64{64 * mib}}
	raw := filepath.Join(t.TempDir(), "caros.raw.zst")
	if err := WriteAll(t.Context(), []Output{{path, ""}, {raw, ""}}, m, WriteOptions{Seed: []byte("seed"), VM: vm, Time: 1}); err != nil {
		t.Fatal(err)
	}
	sameContent(t, m, path, OVA)
	sameContent(t, m, raw, RawZstd)
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	st, err := f.Stat()
	if err != nil {
		t.Fatal(err)
	}
	if ps, err := ova.Check(t.Context(), f, st.Size()); err != nil || ps != nil {
		t.Errorf("%v, %v", ps, err)
	}
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"caros.ovf", "caros-disk1.vmdk", "<Product>CarOS</Product>", "<Name>CarOS</Name>", "Ethernet 2"} {
		if !strings.Contains(string(b), want) {
			t.Errorf("no %q in it", want)
		}
	}
}

// TestOVARefused leaves nothing behind.
func TestOVARefused(t *testing.T) {
	m, err := image.New(8*mib+512, nil)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	err = Write(t.Context(), filepath.Join(dir, "x"), "ova", m, WriteOptions{})
	if err == nil || !strings.Contains(err.Error(), "multiples of 1 MiB") {
		t.Errorf("got %v", err)
	}
	if _, err := os.Stat(filepath.Join(dir, "x")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("left behind: %v", err)
	}
}
