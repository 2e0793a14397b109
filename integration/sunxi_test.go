// SPDX-License-Identifier: MPL-2.0

//go:build integration

package integration

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"slices"
	"strings"
	"testing"
)

// firstStage is what the header of a boot program for Allwinner says, from
// byte 8192 of a card on (U-Boot, arch/arm/include/asm/arch-sunxi/spl.h).
type firstStage struct {
	length int
	dt     string // the device tree that it was made for
}

// readFirstStage reads the header as the processor's ROM does, magic, length
// and sum of all words, and what U-Boot has in it: "SPL", version 2, and the
// offset of the name of a device tree.
func readFirstStage(b []byte) (firstStage, error) {
	le := binary.LittleEndian
	s := firstStage{length: int(le.Uint32(b[16:]))}
	if string(b[4:12]) != "eGON.BT0" || s.length < 1024 || s.length > 32<<10 || s.length%4 != 0 || s.length > len(b) {
		return s, fmt.Errorf("no boot program: %q", b[:20])
	}
	sum := uint32(0x5F0A6C39) - le.Uint32(b[12:])
	for i := 0; i < s.length; i += 4 {
		sum += le.Uint32(b[i:])
	}
	if sum != le.Uint32(b[12:]) {
		return s, fmt.Errorf("the boot program's checksum is %08x, computed %08x", le.Uint32(b[12:]), sum)
	}
	if string(b[20:24]) != "SPL\x02" {
		return s, fmt.Errorf("the extension of the header is %q, want SPL and 2", b[20:24])
	}
	at := le.Uint32(b[32:])
	if at < 36 || int64(at) >= int64(s.length) {
		return s, fmt.Errorf("the device tree's name is at %d of %d", at, s.length)
	}
	name, _, ok := bytes.Cut(b[at:s.length], []byte{0})
	if s.dt = string(name); !ok {
		return s, fmt.Errorf("the device tree's name has no end")
	}
	return s, nil
}

// kinds of a uImage (U-Boot, include/image.h): operating system, processor, type.
var (
	kindUBoot  = [3]byte{17, 2, 5}
	kindScript = [3]byte{5, 2, 6}
)

// readUImage checks header and data as "mkimage -l" and bootm do, and returns
// name and data. More may follow.
func readUImage(b []byte, kind [3]byte) (name string, data []byte, err error) {
	be := binary.BigEndian
	if len(b) < 64 || be.Uint32(b) != 0x27051956 {
		return "", nil, fmt.Errorf("no uImage: %.32q", b)
	}
	head := slices.Clone(b[:64])
	clear(head[4:8])
	if got, want := crc32.ChecksumIEEE(head), be.Uint32(b[4:]); got != want {
		return "", nil, fmt.Errorf("the checksum of the uImage's header is %08x, computed %08x", want, got)
	}
	if got := [3]byte(b[28:31]); got != kind {
		return "", nil, fmt.Errorf("the uImage is of the kind %v, want %v", got, kind)
	}
	size := int64(be.Uint32(b[12:]))
	if size == 0 || size > int64(len(b)-64) {
		return "", nil, fmt.Errorf("the uImage has %d bytes of data, and %d are there", size, len(b)-64)
	}
	data = b[64 : 64+size]
	if got, want := crc32.ChecksumIEEE(data), be.Uint32(b[24:]); got != want {
		return "", nil, fmt.Errorf("the checksum of the uImage's data is %08x, computed %08x", want, got)
	}
	name, _, _ = strings.Cut(string(b[32:64]), "\x00")
	return name, data, nil
}

// readScript is the text in a boot.scr, of which a list of lengths is in front.
func readScript(b []byte) (string, error) {
	_, data, err := readUImage(b, kindScript)
	if err != nil {
		return "", err
	}
	if len(data) < 8 || int64(binary.BigEndian.Uint32(data)) != int64(len(data)-8) || binary.BigEndian.Uint32(data[4:]) != 0 {
		return "", fmt.Errorf("the script's list of lengths is %x", data[:min(8, len(data))])
	}
	return string(data[8:]), nil
}

// scriptLoads are the files that a script loads, by the variable that says where
// to in memory, for a bootz with all three. The initrd must be the last: bootz is
// told the size of what was loaded last.
func scriptLoads(script string) (map[string]string, error) {
	loads, last := map[string]string{}, ""
	for line := range strings.Lines(script) {
		f := strings.Fields(line)
		switch {
		case len(f) == 5 && f[0] == "load" && f[1] == "${devtype}" && f[2] == "${devnum}:${distro_bootpart}":
			last = f[3]
			loads[last] = f[4]
		case len(f) > 0 && f[0] == "bootz":
			if want := "bootz ${kernel_addr_r} ${ramdisk_addr_r}:${filesize} ${fdt_addr_r}"; strings.Join(f, " ") != want || last != "${ramdisk_addr_r}" || len(loads) != 3 {
				return nil, fmt.Errorf("%q after loading %v, the last to %s", f, loads, last)
			}
			return loads, nil
		}
	}
	return nil, fmt.Errorf("no bootz in the script:\n%s", script)
}

// madeStage is a handmade first stage of 1 KiB.
func madeStage(change func(b []byte)) []byte {
	le := binary.LittleEndian
	b := bytes.Repeat([]byte{0xA5}, 1024)
	clear(b[:64])
	copy(b[4:], "eGON.BT0")
	copy(b[20:], "SPL\x02")
	le.PutUint32(b[16:], 1024)
	le.PutUint32(b[32:], 44)
	copy(b[44:], "sun7i-a20-lamobo-r1\x00")
	change(b)
	sum := uint32(0x5F0A6C39)
	for i := 0; i < len(b); i += 4 {
		sum += le.Uint32(b[i:])
	}
	le.PutUint32(b[12:], sum)
	return b
}

// madeUImage is a handmade uImage with right sums.
func madeUImage(kind [3]byte, data string) []byte {
	be := binary.BigEndian
	b := make([]byte, 64)
	be.PutUint32(b, 0x27051956)
	be.PutUint32(b[12:], uint32(len(data)))
	be.PutUint32(b[24:], crc32.ChecksumIEEE([]byte(data)))
	copy(b[28:], kind[:])
	copy(b[32:], "U-Boot 2023.01")
	be.PutUint32(b[4:], crc32.ChecksumIEEE(b))
	return append(b, data...)
}

// TestFirstStageHeader: each field that is wrong is found, in handmade headers.
func TestFirstStageHeader(t *testing.T) {
	le := binary.LittleEndian
	good := madeStage(func([]byte) {})
	if s, err := readFirstStage(good); err != nil || s != (firstStage{1024, "sun7i-a20-lamobo-r1"}) {
		t.Errorf("got %+v, %v", s, err)
	}
	for want, change := range map[string]func([]byte){
		"no boot program: ":          func(b []byte) { b[4] = 'E' },
		"want SPL and 2":             func(b []byte) { b[23] = 1 },
		"want SPL and":               func(b []byte) { b[20] = 0 },
		"name is at 0 of 1024":       func(b []byte) { le.PutUint32(b[32:], 0) },
		"name is at 1024 of 1024":    func(b []byte) { le.PutUint32(b[32:], 1024) },
		"name has no end":            func(b []byte) { le.PutUint32(b[32:], 100) },
		"boot program: \"\\x00\\x00": func(b []byte) { le.PutUint32(b[16:], 1028) },
	} {
		if _, err := readFirstStage(madeStage(change)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q", err, want)
		}
	}
	good[700] ^= 1
	if _, err := readFirstStage(good); err == nil || !strings.Contains(err.Error(), "checksum") {
		t.Errorf("got %v", err)
	}
}

// TestUImage: a change of any byte is found, and what mkimage makes is right.
func TestUImage(t *testing.T) {
	good := madeUImage(kindUBoot, "some code")
	if name, data, err := readUImage(append(slices.Clone(good), 0xFF), kindUBoot); err != nil || name != "U-Boot 2023.01" || string(data) != "some code" {
		t.Errorf("got %q, %q, %v", name, data, err)
	}
	for i := range good {
		bad := slices.Clone(good)
		bad[i] ^= 4
		if _, _, err := readUImage(bad, kindUBoot); err == nil {
			t.Errorf("byte %d may be anything", i)
		}
	}
	for want, b := range map[string][]byte{
		"no uImage":          good[:63],
		"and 8 are there":    good[:len(good)-1],
		"of the kind [5 2":   madeUImage(kindScript, "x"),
		"0 bytes of data":    madeUImage(kindUBoot, ""),
		"header is 00000000": append(append(slices.Clone(good[:4]), 0, 0, 0, 0), good[8:]...),
	} {
		if _, _, err := readUImage(b, kindUBoot); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q", err, want)
		}
	}
}

// TestScriptLoads reads what mkimage makes of a script.
func TestScriptLoads(t *testing.T) {
	const text = `setenv bootargs root=LABEL=X
load ${devtype} ${devnum}:${distro_bootpart} ${kernel_addr_r} /zImage
load ${devtype} ${devnum}:${distro_bootpart} ${fdt_addr_r} /a.dtb
load ${devtype} ${devnum}:${distro_bootpart} ${ramdisk_addr_r} /initrd.img
bootz ${kernel_addr_r} ${ramdisk_addr_r}:${filesize} ${fdt_addr_r}
`
	w := newWorld(t)
	w.file(t, "script", text)
	w.ok(t, tool(t, "mkimage"), "-A", "arm", "-O", "linux", "-T", "script", "-C", "none", "-n", "x", "-d", "script", "boot.scr")
	got, err := readScript(w.read(t, "boot.scr"))
	if err != nil || got != text {
		t.Fatalf("got %q, %v", got, err)
	}
	loads, err := scriptLoads(got)
	if err != nil || loads["${fdt_addr_r}"] != "/a.dtb" || loads["${kernel_addr_r}"] != "/zImage" || loads["${ramdisk_addr_r}"] != "/initrd.img" {
		t.Errorf("got %v, %v", loads, err)
	}
	lines := strings.SplitAfter(text, "\n")
	for _, bad := range [][]string{
		{lines[1], lines[3], lines[2], lines[4]}, // the size would be the device tree's
		{lines[1], lines[3], lines[4]},
		lines[:4],
	} {
		if loads, err := scriptLoads(strings.Join(bad, "")); err == nil {
			t.Errorf("%q was taken: %v", bad, loads)
		}
	}
}
