// Numbers as people read them.

// Rounding must not make a certainty of a probability.
export const percent = (share) =>
  share >= 0.9995 ? "> 99.9%" : share.toLocaleString("en", { style: "percent", minimumFractionDigits: 1 });

// Three digits: more would promise what no interval of this width can keep. A unit that is no currency
// (years, kg) stands behind the number.
export const money = (amount, unit) => {
  const digits = { maximumSignificantDigits: 3 };
  if (!/^[A-Z]{3}$/.test(unit)) return `${amount.toLocaleString("en", digits)} ${unit}`;
  return amount.toLocaleString("en", { style: "currency", currency: unit, ...digits });
};
