# A row of products.csv, all strings, becomes a product; a row without a name becomes nothing.

def replaced(pairs): reduce pairs[] as [$from, $to] (.; split($from) | join($to));

# UTF-8 that was read as Latin-1, for the letters that occur.
def text:
  (if contains("Ã") then
     replaced([["Ã©", "é"], ["Ã¨", "è"], ["Ã¼", "ü"], ["Ã\u0096", "Ö"], ["Ã\u00a0", "à"]])
   else . end)
  | if startswith(" ") or endswith(" ") then sub("^ +"; "") | sub(" +$"; "") else . end;

def amount($sign; $thousands; $point):
  . as $as_it_stood | replaced([[$sign, ""], [$thousands, ""], [$point, "."]])
  | if test("^[0-9]+(\\.[0-9]+)?$") then tonumber else error("no price: '\($as_it_stood)'") end;

def price:
  if startswith("USD ") then {price: amount("USD "; ","; "."), currency: "USD"}
  elif endswith(" €") then {price: amount(" €"; "."; ","), currency: "EUR"}
  else {price: amount(" "; " "; "."), currency: "EUR"} end;

def two: tostring | if length < 2 then "0" + . else . end;

def day:
  if test("^[0-9]{4}-[0-9]{2}-[0-9]{2}$") then .
  elif test("^[0-9]{2}\\.[0-9]{2}\\.[0-9]{4}$") then split(".") | reverse | join("-")
  elif test("^[A-Z][a-z]{2} [0-9]{1,2}, [0-9]{4}$") then
    (split(" ")) as [$name, $day, $year]
    | "\($year)-\((["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]
                    | index($name)) + 1 | two)-\($day | rtrimstr(",") | two)"
  else error("no date: '\(.)'") end;

(.name | text) as $name
| select($name != "")
| {sku, name: $name, category, supplier}
  + (.price | price)
  + {stock: (.stock | tonumber), added: (.added | day)}
  + (if .weight_g == "" then {} else {weight_g: (.weight_g | tonumber)} end)
