package openrtb

import "mazad/serving"

// appendNative appends a native answer with the assets that were asked for; ok
// is false when a required one cannot be filled.
func (e *Encoder) appendNative(dst []byte, imp *Imp, p *serving.Placed, resp *serving.Response) (out []byte, ok bool) {
	if imp.Wrapped {
		dst = append(dst, `{"native":`...)
	}
	if imp.Trackers {
		dst = append(dst, `{"ver":"1.2","assets":[`...)
	} else {
		dst = append(dst, `{"ver":"1.1","assets":[`...)
	}
	first := true
	for i := range imp.Assets {
		a := &imp.Assets[i]
		before := len(dst)
		if !first {
			dst = append(dst, ',')
		}
		dst = append(dst, `{"id":`...)
		dst = appendInt(dst, a.ID)
		filled := false
		if dst, filled = e.fill(dst, a, p, resp); filled {
			dst = append(dst, '}')
			first = false
			continue
		}
		if dst = dst[:before]; a.Required {
			return dst, false
		}
	}
	dst = append(dst, `],"link":{"url":"`...)
	dst = e.track(dst, "c", p.Token)
	if imp.Trackers {
		dst = append(dst, `"},"eventtrackers":[{"event":1,"method":1,"url":"`...)
		dst = e.track(dst, "i", p.Token)
		dst = append(dst, `"}]}`...)
	} else {
		dst = append(dst, `"},"imptrackers":["`...)
		dst = e.track(dst, "i", p.Token)
		dst = append(dst, `"]}`...)
	}
	if imp.Wrapped {
		dst = append(dst, '}')
	}
	return dst, !first
}

// fill appends the object of one asset.
func (e *Encoder) fill(dst []byte, a *Asset, p *serving.Placed, resp *serving.Response) ([]byte, bool) {
	c := p.Creative
	value := ""
	switch {
	case a.Kind == AssetTitle:
		if c.Text == "" {
			return dst, false
		}
		dst = append(dst, `,"title":{"text":`...)
		return append(AppendString(dst, limited(c.Text, a.Len)), '}'), true
	case a.Kind == AssetImage && c.ImageURL != "" && (a.Type != imageIcon || a.Required):
		dst = append(dst, `,"img":{"url":`...)
		dst = AppendString(dst, c.ImageURL)
		if c.W > 0 && c.H > 0 && c.Format != serving.FormatVideo {
			dst = appendInt(append(dst, `,"w":`...), int64(c.W))
			dst = appendInt(append(dst, `,"h":`...), int64(c.H))
		}
		return append(dst, '}'), true
	case a.Kind == AssetVideo && c.VideoURL != "":
		e.vast = e.appendVAST(e.vast[:0], newestProtocol, p, resp)
		dst = append(dst, `,"video":{"vasttag":`...)
		return append(AppendBytes(dst, e.vast), '}'), true
	case a.Kind == AssetData:
		value = dataOf(a.Type, c)
	}
	if value == "" {
		return dst, false
	}
	dst = append(dst, `,"data":{"value":`...)
	return append(AppendString(dst, limited(value, a.Len)), '}'), true
}

// dataOf is what we have for a type of list 7.4.
func dataOf(kind int64, c *serving.Creative) string {
	switch kind {
	case dataSponsored:
		return c.DisplayName
	case dataDesc:
		return c.Text
	case dataDisplayURL:
		return c.Domain
	case dataCTA:
		return c.CallToAction
	}
	return ""
}
