// Package targetingtest has what tests and benchmarks of targeting need: a brute
// force matcher written from the Rule's comments alone (Accepts), and the ad-like
// workload that the performance figures are measured with (Rules, Queries).
//
// Contract: Accepts shares no code with the index. The same n and seed give the
// same rules and queries in every build.
//
// Source: the workload is section 1 of the project's performance measurements:
// country 90 % targeted (70 % one, 20 % 2-5, 10 % 6-20, zipf 1.1 over 200),
// 30 % of one-country rules by city instead (1-10 of the country's), 5 % exclude
// cities, age 60 % (1-4 of the bands), gender 30 %, language 40 % (the
// country's), OS 50 %, a minimum version for 40 % of the single-mobile-OS rules,
// interests 60 % (1-5 of 500, zipf), segments 40 % included (1-3 of 10,000) and
// 35 % excluded (1-2), placement 50 % (1-3). A request has 8 single values, 3-15
// interests and 20-60 segments. One rule stands for one conjunction.
package targetingtest
