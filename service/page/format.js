// Numbers as people read them.

// Rounding must not make a certainty of a probability.
export const percent = (share) =>
  share >= 0.9995 ? "> 99.9%" : share.toLocaleString("en", { style: "percent", minimumFractionDigits: 1 });

// Three digits: more would promise what no interval of this width can keep.
export const money = (amount, currency) =>
  amount.toLocaleString("en", { style: "currency", currency, maximumSignificantDigits: 3 });
