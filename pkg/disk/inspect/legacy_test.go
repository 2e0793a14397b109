// SPDX-License-Identifier: MPL-2.0

package inspect

import (
	"testing"

	"github.com/carosio/carosbuild/pkg/disk/damage"
)

// TestBootCodeOfPartition checks an image of a partition whose boot sector contains
// GRUB Legacy: its numbers are those of the disk that it was on.
func TestBootCodeOfPartition(t *testing.T) {
	card := bytesOf(t, compose(t, board(t)))
	p := looked(t, bytesDevice{card}).table.Parts[1]
	fs := card[p.Start:p.End()]
	copy(fs[0x90:], "\x66\x8b\x1e\x44\x7c")
	copy(fs[0x44:], "\x00\x00\xff\x7f")
	copy(fs[0x180:], "GRUB \x00Geom\x00Hard Disk\x00Read\x00 Error")
	fs[510], fs[511] = 0x55, 0xAA
	if got, verdict := checked(t, fs); verdict != damage.Sound {
		t.Errorf("%s: %s", verdict, got)
	}
	copy(card, fs[:440])
	if got, verdict := checked(t, card); verdict != damage.Damaged {
		t.Errorf("in front of a table: %s: %s", verdict, got)
	}
}
