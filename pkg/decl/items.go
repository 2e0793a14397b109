// SPDX-License-Identifier: MPL-2.0

package decl

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/carosio/carosbuild/pkg/decl/finding"
)

// ItemKind is the name of an item's element.
type ItemKind string

// The items of a partition.
const (
	CopyItemKind       ItemKind = "copy"
	FileItemKind       ItemKind = "file"
	InitrdItemKind     ItemKind = "initrd"
	LoaderItemKind     ItemKind = "loader"
	ExtlinuxItemKind   ItemKind = "extlinux"
	BootscriptItemKind ItemKind = "bootscript"
	UKIItemKind        ItemKind = "uki"
)

// Item is something that is put on a partition's file system beside Path's tree:
// one of the types of this file, as a pointer.
type Item interface {
	Kind() ItemKind // the name of its element
	// At is the place of an attribute's value, or of the item without one.
	At(attr string) finding.Span
	item()
}

// Element is where the element of an item is.
type Element struct {
	Span   finding.Span
	Places Places
}

// At is the place of an attribute's value, or Span without one.
func (e *Element) At(attr string) finding.Span { return e.Places.At(attr, e.Span) }

// CopyItem copies files of a stage.
type CopyItem struct {
	Element
	Stage    string // overrides the partition's
	From     string // path or glob inside the stage, or deploy:KIND
	To       string // path on the file system; ends with a slash for a directory
	Optional bool   // left out if there is nothing to copy
}

// FileItem is a file whose text is in the declaration.
type FileItem struct {
	Element
	To   string
	Mode Mode // default 0644
	Text string
}

// Ramdisk is the content of an initrd.
type Ramdisk struct {
	Modules []string
	// Programs are programs of the stage that the initrd also gets, with their
	// libraries.
	Programs    []string
	Compression string // gzip (default) or zstd
}

// InitrdItem is an initrd composed of a stage's kernel modules.
type InitrdItem struct {
	Element
	Ramdisk
	Stage  string // overrides the partition's
	From   string // path or glob inside the stage of the tree that has the modules, or deploy:KIND; empty means the stage's root
	To     string
	Kernel string // kernel version whose modules to take
	// Busybox is a path or glob in BusyboxStage, for a tree of modules that has no
	// busybox.
	Busybox, BusyboxStage string
	Optional              bool // left out if the kernel needs no initrd
}

// Menu is the entry of a boot menu.
type Menu struct {
	Kernel  string // path on the file system
	Initrd  string // likewise; default /initrd.img, empty for none
	Cmdline string
	Title   string
	Timeout time.Duration // in whole seconds
}

// LoaderItem makes boot menus for GRUB and systemd-boot.
type LoaderItem struct {
	Element
	Menu // Kernel is /vmlinuz by default
}

// ExtlinuxItem is a boot menu for u-boot.
type ExtlinuxItem struct {
	Element
	Menu        // Kernel is /zImage by default
	To   string // default /extlinux/extlinux.conf
	FDT  string // device tree
}

// BootscriptItem is a script for u-boot, as an image.
type BootscriptItem struct {
	Element
	To   string // default /boot.scr
	Name string // of the image, default boot.scr
	Text string
}

// UKIItem is a kernel, initrd and command line as one EFI program.
type UKIItem struct {
	Element
	Ramdisk
	Stage   string // overrides the partition's
	Stub    string // path or glob inside the stage, or deploy:KIND
	Kernel  string // likewise
	To      string // default /EFI/BOOT/BOOTX64.EFI
	Cmdline string
}

// Kind implements Item.
func (*CopyItem) Kind() ItemKind { return CopyItemKind }

// Kind implements Item.
func (*FileItem) Kind() ItemKind { return FileItemKind }

// Kind implements Item.
func (*InitrdItem) Kind() ItemKind { return InitrdItemKind }

// Kind implements Item.
func (*LoaderItem) Kind() ItemKind { return LoaderItemKind }

// Kind implements Item.
func (*ExtlinuxItem) Kind() ItemKind { return ExtlinuxItemKind }

// Kind implements Item.
func (*BootscriptItem) Kind() ItemKind { return BootscriptItemKind }

// Kind implements Item.
func (*UKIItem) Kind() ItemKind { return UKIItemKind }

func (*CopyItem) item()       {}
func (*FileItem) item()       {}
func (*InitrdItem) item()     {}
func (*LoaderItem) item()     {}
func (*ExtlinuxItem) item()   {}
func (*BootscriptItem) item() {}
func (*UKIItem) item()        {}

// emptyItem is an empty item of a kind, or nil if the kind is not known.
func emptyItem(kind ItemKind) Item {
	switch kind {
	case CopyItemKind:
		return &CopyItem{}
	case FileItemKind:
		return &FileItem{}
	case InitrdItemKind:
		return &InitrdItem{}
	case LoaderItemKind:
		return &LoaderItem{}
	case ExtlinuxItemKind:
		return &ExtlinuxItem{}
	case BootscriptItemKind:
		return &BootscriptItem{}
	case UKIItemKind:
		return &UKIItem{}
	}
	return nil
}

// ItemStages are the stages that an item names.
func ItemStages(it Item) []string {
	var all []string
	switch it := it.(type) {
	case *CopyItem:
		all = []string{it.Stage}
	case *InitrdItem:
		all = []string{it.Stage, it.BusyboxStage}
	case *UKIItem:
		all = []string{it.Stage}
	}
	return slices.DeleteFunc(all, func(id string) bool { return id == "" })
}

// Taken is a path or glob in a stage, or deploy:KIND, from which an item takes
// files.
type Taken struct {
	Stage string // empty means the partition's
	From  string // may be empty
	Attr  string // attribute that names it
}

// TakenBy lists what an item takes from stages, except for busybox.
func TakenBy(it Item) []Taken {
	switch it := it.(type) {
	case *CopyItem:
		return []Taken{{it.Stage, it.From, "from"}}
	case *InitrdItem:
		return []Taken{{it.Stage, it.From, "from"}}
	case *UKIItem:
		return []Taken{{it.Stage, it.Stub, "stub"}, {it.Stage, it.Kernel, "kernel"}}
	}
	return nil
}

// Items are the items of a partition, in document order. In JSON, each has its kind
// beside it.
type Items []Item

type kindedItem struct {
	Kind ItemKind
	Item json.RawMessage
}

// MarshalJSON writes the form that UnmarshalJSON reads.
func (all Items) MarshalJSON() ([]byte, error) {
	if all == nil {
		return []byte("null"), nil
	}
	out := make([]kindedItem, len(all))
	for i, it := range all {
		if it == nil {
			return nil, errors.New("an item is nil")
		}
		data, err := json.Marshal(it)
		if err != nil {
			return nil, err
		}
		out[i] = kindedItem{it.Kind(), data}
	}
	return json.Marshal(out)
}

// UnmarshalJSON reads the form that MarshalJSON writes.
func (all *Items) UnmarshalJSON(data []byte) error {
	var in []kindedItem
	if err := json.Unmarshal(data, &in); err != nil {
		return err
	}
	if *all = nil; in != nil {
		*all = make(Items, len(in))
	}
	for i, k := range in {
		it := emptyItem(k.Kind)
		if it == nil {
			return fmt.Errorf("an item of the kind %q is not known", k.Kind)
		}
		if err := json.Unmarshal(k.Item, it); err != nil {
			return err
		}
		(*all)[i] = it
	}
	return nil
}
