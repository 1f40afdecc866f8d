package campaign

import (
	"mazad/internal/id"
	"mazad/internal/money"
)

// Campaign is what an advertiser groups: an objective and, optionally, a budget
// for all its ad groups.
type Campaign struct {
	ID                id.Campaign     `json:"campaign_id,string"`
	Advertiser        id.Advertiser   `json:"advertiser_id,string"`
	Name              string          `json:"campaign_name"`
	Objective         Objective       `json:"objective_type"`
	BudgetMode        BudgetMode      `json:"budget_mode"`
	Budget            money.Micros    `json:"budget_micros"`
	BudgetOptimizeOn  bool            `json:"budget_optimize_on"` // the campaign owns the budget, ad groups share it
	SpecialIndustries []Industry      `json:"special_industries,omitempty"`
	PONumber          string          `json:"po_number,omitempty"`
	OperationStatus   OperationStatus `json:"operation_status"`
	Meta
}

// CampaignPatch is a partial update; nil leaves a field as it is. What is not
// here is fixed at creation.
type CampaignPatch struct {
	Name     *string
	Budget   *money.Micros
	PONumber *string
}

// Defaults fills what may be left out.
func (c *Campaign) Defaults() {
	if c.BudgetMode == "" {
		c.BudgetMode = BudgetInfinite
	}
	if c.OperationStatus == "" {
		c.OperationStatus = Enable
	}
}

// Validate checks a campaign.
func (c *Campaign) Validate() error {
	var l list
	l.name("campaign_name", c.Name, MaxName)
	enum(&l, "objective_type", c.Objective, ObjectiveReach, ObjectiveVideoViews, ObjectiveTraffic, ObjectiveEngagement,
		ObjectiveLeadGeneration, ObjectiveAppPromotion, ObjectiveWebConversions, ObjectiveProductSales)
	l.budget(c.BudgetMode, c.Budget)
	if c.BudgetOptimizeOn && c.BudgetMode == BudgetInfinite {
		l.add(CodeRequired, "budget_mode", string(c.BudgetMode), "", "must set a budget when budget_optimize_on is true")
	}
	enums(&l, "special_industries", c.SpecialIndustries, 3, Housing, Employment, Credit)
	l.text("po_number", c.PONumber, 0, MaxPONumber)
	enum(&l, "operation_status", c.OperationStatus, Enable, Disable, Delete)
	return l.err()
}

// budget checks mode and amount together.
func (l *list) budget(mode BudgetMode, budget money.Micros) {
	if !enum(l, "budget_mode", mode, BudgetInfinite, BudgetDay, BudgetTotal, BudgetDynamicDaily) {
		return
	}
	if mode == BudgetInfinite {
		if budget != 0 {
			l.add(CodeNotTogether, "budget", budget.String(), "", "must be left out when budget_mode is %s", mode)
		}
		return
	}
	l.amount("budget", budget, MaxBudget)
}
