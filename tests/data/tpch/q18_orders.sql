SELECT o_custkey, o_orderkey, o_orderdate, o_totalprice, sum(l_quantity)
FROM orders, lineitem
WHERE o_orderkey IN (SELECT l_orderkey FROM lineitem GROUP BY l_orderkey HAVING sum(l_quantity) > 250)
    AND o_orderkey = l_orderkey
GROUP BY o_custkey, o_orderkey, o_orderdate, o_totalprice
ORDER BY o_totalprice DESC, o_orderdate, o_orderkey
LIMIT 100
