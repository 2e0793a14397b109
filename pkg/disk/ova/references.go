// SPDX-License-Identifier: MPL-2.0

package ova

import (
	"fmt"
	"net/url"
	"strings"
)

// checkReferences compares the descriptor's files and disks with the members.
func (c *checker) checkReferences(e *ovfEnvelope) {
	descriptor := c.members[0].name
	files := map[string]*member{}
	last := -1
	for _, f := range e.References {
		m := c.reference(f)
		if m == nil {
			continue
		}
		if f.ID == "" || files[f.ID] != nil {
			c.report(descriptor, "file id %q is not unique", f.ID)
		}
		files[f.ID] = m
		if i := c.index(m); i < last {
			c.report(m.name, "it is not in the order of the References")
		} else {
			last = i
		}
	}
	for i := range c.members[1:] {
		if m := &c.members[1+i]; !m.metadata() && !referenced(files, m) {
			c.report(m.name, "the descriptor does not name it")
		}
	}
	if e.Disks == nil {
		return
	}
	for i := range e.Disks.Disks {
		d := &e.Disks.Disks[i]
		if _, err := d.capacity(); err != nil {
			c.report(descriptor, "disk %s: %v", d.ID, err)
		}
		if m := files[d.FileRef]; m != nil {
			m.disk = d
		} else if d.FileRef != "" {
			c.report(descriptor, "disk %s is in file %s, which is not in the References", d.ID, d.FileRef)
		}
	}
}

func (c *checker) index(m *member) int {
	for i := range c.members {
		if m == &c.members[i] {
			return i
		}
	}
	return -1
}

func referenced(files map[string]*member, m *member) bool {
	for _, f := range files {
		if f == m {
			return true
		}
	}
	return false
}

// reference is the member of a File element.
func (c *checker) reference(f ovfFile) *member {
	name, err := url.PathUnescape(f.Href)
	m := c.member(name)
	switch {
	case err != nil || m == nil:
		c.report(c.members[0].name, "file %q is not in the archive", f.Href)
	case f.Size != "" && f.Size != fmt.Sprint(m.size):
		c.report(c.members[0].name, "file %s has %s bytes, and in the archive %d", f.Href, f.Size, m.size)
	}
	return m
}

// checkSystems checks that the machine is complete and that everything it refers to
// exists.
func (c *checker) checkSystems(e *ovfEnvelope) {
	name := c.members[0].name
	if len(e.Systems) != 1 {
		c.report(name, "%d virtual systems, not one", len(e.Systems))
		return
	}
	s := e.Systems[0]
	infos := map[string]bool{"VirtualSystem": s.Info != nil}
	if e.Disks != nil {
		infos["DiskSection"] = e.Disks.Info != nil
	}
	if e.Networks != nil {
		infos["NetworkSection"] = e.Networks.Info != nil
	}
	if s.OS != nil {
		infos["OperatingSystemSection"] = s.OS.Info != nil
	}
	if len(s.Hardware) == 0 {
		c.report(name, "no VirtualHardwareSection")
	}
	for _, h := range s.Hardware {
		infos["VirtualHardwareSection"] = h.Info != nil
		if h.System == nil || h.System.Type == "" {
			c.report(name, "VirtualHardwareSection without a VirtualSystemType")
		}
		c.checkItems(e, h.Items)
	}
	for _, section := range []string{"DiskSection", "NetworkSection", "VirtualSystem", "OperatingSystemSection", "VirtualHardwareSection"} {
		if has, there := infos[section]; there && !has {
			c.report(name, "%s without Info", section)
		}
	}
}

func (c *checker) checkItems(e *ovfEnvelope, items []ovfItem) {
	name := c.members[0].name
	ids, known, networks := map[string]bool{}, e.resources(), e.networks()
	for _, it := range items {
		if it.InstanceID == "" || ids[it.InstanceID] {
			c.report(name, "InstanceID %q of %q is not unique", it.InstanceID, it.ElementName)
		}
		if it.ElementName == "" || it.ResourceType == "" {
			c.report(name, "item %s without ElementName or ResourceType", it.InstanceID)
		}
		ids[it.InstanceID] = true
	}
	for _, it := range items {
		if it.Parent != "" && !ids[it.Parent] {
			c.report(name, "%q has the parent %s, which does not exist", it.ElementName, it.Parent)
		}
		for _, r := range it.HostResource {
			if !known[strings.TrimPrefix(r, "ovf:")] {
				c.report(name, "%q is %s, which is not in the descriptor", it.ElementName, r)
			}
		}
		for _, n := range it.Connection {
			if !networks[n] {
				c.report(name, "%q is connected to %q, which the NetworkSection does not have", it.ElementName, n)
			}
		}
	}
}

// resources are what a HostResource can refer to, without its "ovf:".
func (e *ovfEnvelope) resources() map[string]bool {
	known := map[string]bool{}
	if e.Disks != nil {
		for _, d := range e.Disks.Disks {
			known["/disk/"+d.ID] = true
		}
	}
	for _, f := range e.References {
		known["/file/"+f.ID] = true
	}
	return known
}

func (e *ovfEnvelope) networks() map[string]bool {
	known := map[string]bool{}
	if e.Networks != nil {
		for _, n := range e.Networks.Networks {
			known[n.Name] = true
		}
	}
	return known
}
