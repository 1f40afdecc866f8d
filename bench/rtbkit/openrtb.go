package rtbkit

import "encoding/json"

// The parts of an OpenRTB 2.6 bid request that the input can fill.
type (
	bidRequest struct {
		ID      string   `json:"id"`
		Imp     []imp    `json:"imp"`
		Site    site     `json:"site"`
		Device  device   `json:"device"`
		User    *user    `json:"user,omitempty"`
		Auction int      `json:"at"`
		MaxMS   int      `json:"tmax"`
		Cur     []string `json:"cur"`
		BAdv    []string `json:"badv,omitempty"`
	}
	imp struct {
		ID       string      `json:"id"`
		Banner   banner      `json:"banner"`
		Floor    json.Number `json:"bidfloor,omitempty"`
		FloorCur string      `json:"bidfloorcur,omitempty"`
		Secure   int         `json:"secure"`
	}
	banner struct {
		W      int      `json:"w"`
		H      int      `json:"h"`
		Format []format `json:"format"`
		Pos    int      `json:"pos,omitempty"`
	}
	format struct {
		W int `json:"w"`
		H int `json:"h"`
	}
	site struct {
		ID        string     `json:"id,omitempty"`
		Domain    string     `json:"domain,omitempty"`
		Page      string     `json:"page,omitempty"`
		Publisher *publisher `json:"publisher,omitempty"`
		Content   *content   `json:"content,omitempty"`
	}
	publisher struct {
		ID string `json:"id"`
	}
	content struct {
		Data []data `json:"data"`
	}
	data struct {
		Name    string    `json:"name"`
		Segment []segment `json:"segment"`
	}
	segment struct {
		ID    string `json:"id"`
		Value string `json:"value,omitempty"`
	}
	device struct {
		UA       string `json:"ua,omitempty"`
		IP       string `json:"ip,omitempty"`
		Language string `json:"language,omitempty"`
		Geo      *geo   `json:"geo,omitempty"`
	}
	geo struct {
		Country   string `json:"country,omitempty"`
		Region    string `json:"region,omitempty"`
		Metro     string `json:"metro,omitempty"`
		City      string `json:"city,omitempty"`
		Zip       string `json:"zip,omitempty"`
		UTCOffset int    `json:"utcoffset,omitempty"`
	}
	user struct {
		ID       string `json:"id,omitempty"`
		BuyerUID string `json:"buyeruid,omitempty"`
	}
)
