"""What must become of products.csv, worked out again from the file alone."""

import csv
import datetime
import re
from collections import Counter
from decimal import Decimal

MONTHS = "Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec".split()
TARGET = 40


class Lost(Exception):
    """Where a row ended: the stage and a part of the reason."""


def name_of(text):
    try:
        text = text.encode("latin-1").decode("utf-8")  # it had been read as Latin-1
    except UnicodeError:
        pass
    return text.strip()


def price_of(text):
    currency = "EUR"
    digits = text
    if text.startswith("USD "):
        currency, digits = "USD", text[4:].replace(",", "")
    elif text.endswith(" €"):
        digits = text[:-2].replace(".", "").replace(",", ".")
    if not re.fullmatch(r"\d+(\.\d+)?", digits):
        raise Lost("jq", f"no price: '{text}'")
    return float(Decimal(digits)), currency


def date_of(text):
    if re.fullmatch(r"\d{4}-\d\d-\d\d", text):
        date = datetime.date.fromisoformat(text)
    elif re.fullmatch(r"\d\d\.\d\d\.\d{4}", text):
        date = datetime.date(int(text[6:]), int(text[3:5]), int(text[:2]))
    elif re.fullmatch(r"[A-Z][a-z]{2} \d+, \d{4}", text):
        month, day, year = text.replace(",", "").split()
        date = datetime.date(int(year), MONTHS.index(month) + 1, int(day))
    else:
        raise Lost("jq", f"no date: '{text}'")
    return date.isoformat()


def supplier_of(text):
    number = int(text[1:])
    if number >= 900:
        raise Lost("http", "404")
    if number == 13:
        raise Lost("http", "500")
    return "AT CZ FR PL SE".split()[number % 5], 30 + number * 7 % 72, 1 + number % 9


def product(row, steps):
    """What comes out of the first job; None: filtered."""
    name = name_of(row["name"])
    if name == "":
        return None
    price, currency = price_of(row["price"])
    made = {"sku": row["sku"], "name": name, "category": row["category"], "supplier": row["supplier"],
            "price": price, "currency": currency, "stock": float(row["stock"]), "added": date_of(row["added"])}
    if row["weight_g"]:
        made["weight_g"] = int(row["weight_g"])
    if "score" not in steps:
        return made
    country, cost, days = supplier_of(row["supplier"])
    if cost >= 100:
        raise Lost("score", "more than the price")
    score = 100 * (100 - cost) // TARGET - 2 * days + (10 if made["stock"] > 0 else 0)
    return {**made, "country": country, "score": score}


class Expected:
    """Everything that can be counted of a run over the file."""

    def __init__(self, path, steps):
        self.steps = steps
        self.rejected = self.rows = self.filtered = 0
        self.lost = Counter()
        self.reasons = []
        self.products = []
        with open(path, encoding="utf-8", newline="") as file:
            for row in csv.DictReader(file):
                if None in row or None in row.values():
                    self.rejected += 1
                else:
                    self.rows += 1
                    self.add(row)

    def add(self, row):
        try:
            made = product(row, self.steps)
        except Lost as lost:
            self.lost[lost.args[0]] += 1
            self.reasons.append((row["sku"], *lost.args))
            return
        if made is None:
            self.filtered += 1
        else:
            self.products.append(made)

    def stored(self):
        """What a table has: whole pieces only, each article once. Its report, and the rows by sku."""
        whole = [made for made in self.products if made["stock"].is_integer()]
        table = {}
        for made in whole:
            table.setdefault(made["sku"], []).append(made)
        return {"written": len(table), "repeated": len(whole) - len(table),
                "refused": len(self.products) - len(whole)}, table

    def weights(self):
        """By category: how many have a weight, and their sum."""
        groups = {}
        for made in self.products:
            if "weight_g" in made:
                count, total = groups.get(made["category"], (0, 0))
                groups[made["category"]] = (count + 1, total + made["weight_g"])
        return groups
